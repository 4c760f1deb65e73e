/** A node:test reporter that writes only the closing counts of a run, as one line of JSON. */
export default async function* counts(source) {
  for await (const event of source) {
    // Without a file it is the whole run; the per-file summaries would count everything twice.
    if (event.type !== 'test:summary' || event.data.file !== undefined) continue;
    yield `${JSON.stringify(event.data.counts)}\n`;
  }
}
