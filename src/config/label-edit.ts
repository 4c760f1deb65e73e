import { isMap, isPair, isScalar, isSeq, type Pair, parseDocument, type YAMLMap, type YAMLSeq } from 'yaml';
import { parseLabelFile, parseRelationName, quoteIdentifier } from '../masking/index.ts';
import type { LabelNote } from '../model/label.ts';
import type { LabelFile } from '../model/mask.ts';
import { ConfigError } from './errors.ts';
import { identifier } from './label-import.ts';

/** A label to be written into a label file. */
export interface LabelAddition extends Omit<LabelNote, 'file' | 'line' | 'column'> {
  readonly connection: string;
  readonly schema: string;
  readonly relation: string;
  readonly column: string;
}

/** Replaces `from`–`to` of a text. */
interface Splice {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/**
 * A label file with further labels: lines are added, or one line grows; comments, order and everything else stay byte for byte. A label
 * that its column has in this file already is left as it is.
 * @throws ConfigError `ERR_CONFIG_LABELS_NOT_EDITED` when the file has mistakes, or is written in a way that cannot be added to
 */
export function withLabels(text: string, file: string, additions: readonly LabelAddition[]): string {
  const mistake = parseLabelFile(text, file).problems.find(({ severity }) => severity === 'error');
  if (mistake) throw notEdited(file, `it has a mistake on line ${mistake.line}: ${mistake.message}`);
  let edited = text;
  for (const addition of additions) {
    const wanted = told(parseLabelFile(edited, file).files, addition);
    if (wanted === undefined) continue;
    const next = spliced(edited, spliceFor(edited, addition));
    const read = parseLabelFile(next, file);
    const wrong = read.problems.find(({ severity }) => severity === 'error');
    // What cannot be read back as exactly that is not written.
    if (wrong || JSON.stringify(facts(read.files)) !== JSON.stringify(wanted))
      throw notEdited(file, 'its layout is one that cannot be added to safely');
    edited = next;
  }
  return edited;
}

/** The file that a label belongs in: one that names its relation, else one of its connection, else a new one of that name. */
export function labelFileFor(
  files: readonly { readonly name: string; readonly text: string }[],
  { connection, schema, relation }: Pick<LabelAddition, 'connection' | 'schema' | 'relation'>,
): string {
  const quoted = `${quoteIdentifier(schema)}.${quoteIdentifier(relation)}`;
  const own = files.flatMap(({ name, text }) =>
    parseLabelFile(text, name)
      .files.filter((each) => each.connection === connection)
      .map(({ relations }) => ({ name, names: relations.some((each) => each.relation === quoted) })),
  );
  return (own.find(({ names }) => names) ?? own[0])?.name ?? `${connection}.yaml`;
}

function notEdited(file: string, why: string): ConfigError {
  return new ConfigError(
    'ERR_CONFIG_LABELS_NOT_EDITED',
    `${file} was not changed: ${why}. Mend it, or name another file with --file.`,
  );
}

/** Everything that label files say, sorted, without places. */
function facts(files: readonly LabelFile[]): string[] {
  return files
    .flatMap(({ connection, relations }) =>
      relations.flatMap(({ relation, notes }) =>
        [...(notes ?? [])].flatMap(([column, labels]) =>
          labels.map(({ label, source, by, at, why, confidence }) =>
            JSON.stringify([connection, relation, column, label, source, by, at, why, confidence]),
          ),
        ),
      ),
    )
    .sort();
}

/** What the files say once the label is added; undefined when they say it already. */
function told(files: readonly LabelFile[], addition: LabelAddition): string[] | undefined {
  const { connection, schema, relation, column, label, source, by, at, why, confidence } = addition;
  const name = `${quoteIdentifier(schema)}.${quoteIdentifier(relation)}`;
  const there = files
    .filter((file) => file.connection === connection)
    .flatMap((file) => file.relations.filter((each) => each.relation === name));
  if (there.some(({ columns }) => columns.get(column)?.includes(label))) return undefined;
  const added = JSON.stringify([connection, name, column, label, source, by, at, why, confidence]);
  return [...facts(files), added].sort();
}

function spliced(text: string, { from, to, text: replacement }: Splice): string {
  return text.slice(0, from) + replacement + text.slice(to);
}

function spliceFor(text: string, addition: LabelAddition): Splice {
  const { connection, column } = addition;
  const root = parseDocument(text).contents;
  const columnEntry = `${plain(column)}: [${entry(addition)}]`;
  const relationLines = (indent: string): string[] => [
    `${indent}${relationKey(addition)}:`,
    `${indent}  ${columnEntry}`,
  ];
  const atConnection = isMap(root) ? pairOf(root, (key) => key === connection) : undefined;
  if (!atConnection) return atEnd(text, [`${plain(connection)}:`, ...relationLines('  ')]);
  if (isEmpty(atConnection.value)) return instead(text, atConnection, relationLines('  '));
  if (!isMap(atConnection.value)) return nothing(text);
  const relations = atConnection.value;
  const atRelation = pairOf(relations, (key) => isRelation(key, addition));
  if (!atRelation) {
    const inFlow = `${relationKey(addition)}: { ${columnEntry} }`;
    return relations.flow ? inside(text, relations, inFlow, ' ') : behind(text, relations, relationLines);
  }
  if (isEmpty(atRelation.value)) {
    const indent = indentOf(text, atRelation);
    return relations.flow
      ? inside(text, atRelation.value, columnEntry, ' ')
      : instead(text, atRelation, [`${indent}  ${columnEntry}`]);
  }
  if (!isMap(atRelation.value)) return nothing(text);
  const columns = atRelation.value;
  const atColumn = pairOf(columns, (key) => key === column);
  if (!atColumn) {
    return columns.flow
      ? inside(text, columns, columnEntry, ' ')
      : behind(text, columns, (indent) => [`${indent}${columnEntry}`]);
  }
  if (!isSeq(atColumn.value)) return nothing(text);
  const labels = atColumn.value;
  return labels.flow
    ? inside(text, labels, entry(addition), '')
    : behind(text, labels, (indent) => [`${indent}- ${entry(addition)}`]);
}

/** No place to write: the check of the result says so. */
const nothing = (text: string): Splice => ({ from: text.length, to: text.length, text: '' });

function pairOf(map: YAMLMap, is: (key: string) => boolean): Pair | undefined {
  return map.items.find((pair) => isPair(pair) && isScalar(pair.key) && is(String(pair.key.value)));
}

function isRelation(key: string, { schema, relation }: LabelAddition): boolean {
  const name = parseRelationName(key);
  return name?.name === relation && (name.schema ?? 'public') === schema;
}

function isEmpty(value: unknown): value is YAMLMap {
  return isMap(value) && value.items.length === 0;
}

/** Behind the last item of a block, on lines of their own, as far to the right as its first. */
function behind(text: string, block: YAMLMap | YAMLSeq, lines: (indent: string) => readonly string[]): Splice {
  const [start] = rangeOf(block);
  const indent = ' '.repeat(start - (text.lastIndexOf('\n', start - 1) + 1));
  const end = lineEnd(text, lastEnd(block));
  return {
    from: end,
    to: end,
    text: lines(indent)
      .map((line) => eol(text) + line)
      .join(''),
  };
}

/** Behind the last item between brackets. */
function inside(text: string, flow: YAMLMap | YAMLSeq, added: string, pad: string): Splice {
  const [start, end] = rangeOf(flow);
  if (flow.items.length > 0) {
    const at = lastEnd(flow);
    return { from: at, to: at, text: `, ${added}` };
  }
  const between = text.slice(start + 1, end - 1);
  if (between.trim() !== '') return nothing(text);
  return { from: start + 1, to: end - 1, text: `${pad}${added}${pad}` };
}

/** In the place of `{}`, on the lines below the key. */
function instead(text: string, { key, value }: Pair, lines: readonly string[]): Splice {
  const colon = text.indexOf(':', rangeOf(key)[1]) + 1;
  const [start, valueEnd] = rangeOf(value);
  if (text.slice(colon, start).trim() !== '' || text.slice(start + 1, valueEnd - 1).trim() !== '') return nothing(text);
  const end = lineEnd(text, valueEnd);
  const comment = text.slice(valueEnd, end).trimEnd();
  return { from: colon, to: end, text: comment + lines.map((line) => eol(text) + line).join('') };
}

function rangeOf(node: unknown): readonly [start: number, end: number] {
  const [start = 0, end = 0] = (node as { readonly range?: readonly number[] } | null)?.range ?? [];
  return [start, end];
}

function atEnd(text: string, lines: readonly string[]): Splice {
  const before = text === '' || text.endsWith('\n') ? '' : eol(text);
  return { from: text.length, to: text.length, text: before + lines.map((line) => line + eol(text)).join('') };
}

function indentOf(text: string, { key }: Pair): string {
  const [start] = rangeOf(key);
  return ' '.repeat(start - (text.lastIndexOf('\n', start - 1) + 1));
}

function lastEnd(collection: YAMLMap | YAMLSeq): number {
  const last = collection.items.at(-1);
  return rangeOf(isPair(last) ? (last.value ?? last.key) : last)[1];
}

/** Where the line ends that holds the character before `at`, in front of its line break. */
function lineEnd(text: string, at: number): number {
  const from = text[at - 1] === '\n' ? at - 1 : at;
  const newline = text.indexOf('\n', from);
  const end = newline < 0 ? text.length : newline;
  return text[end - 1] === '\r' ? end - 1 : end;
}

const eol = (text: string): string => (text.includes('\r\n') ? '\r\n' : '\n');

function relationKey({ schema, relation }: LabelAddition): string {
  return plain(`${identifier(schema)}.${identifier(relation)}`);
}

function entry({ label, source, by, at, why, confidence }: LabelAddition): string {
  const story = [
    `label: ${label}`,
    `source: ${source}`,
    ...(confidence === undefined ? [] : [`confidence: ${confidence}`]),
    ...(by === undefined ? [] : [`by: ${plain(by)}`]),
    ...(at === undefined ? [] : [`at: ${at}`]),
    ...(why === undefined ? [] : [`why: ${plain(why)}`]),
  ];
  return `{ ${story.join(', ')} }`;
}

/** A text as YAML reads it back anywhere: as it is where nothing in it means anything, else in quotes. */
function plain(text: string): string {
  if (/^[A-Za-z_][\w.@$-]*$/.test(text) && !/^(?:null|true|false|yes|no|on|off|y|n)$/i.test(text)) return text;
  return /^[\u0020-\u007e\u00a1-\ud7ff]*$/.test(text) && !text.includes('\\')
    ? `'${text.replaceAll("'", "''")}'`
    : JSON.stringify(text.toWellFormed());
}
