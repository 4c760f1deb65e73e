/** Lines of both texts in order: kept (` `), gone (`-`), come (`+`). By the longest common subsequence; meant for statements, not for files. */
export function lineDiff(before: string, after: string): readonly string[] {
  return diffOf(before.split('\n'), after.split('\n'));
}

function diffOf(a: readonly string[], b: readonly string[]): readonly string[] {
  if (a.length * b.length > 4_000_000) return [...a.map((line) => `-${line}`), ...b.map((line) => `+${line}`)];
  const common = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  const at = (row: number, column: number): number => common[row]?.[column] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const row = common[i];
      if (row) row[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: string[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push(` ${a[i]}`);
      i++;
      j++;
    } else if (i < a.length && (j === b.length || at(i + 1, j) >= at(i, j + 1))) lines.push(`-${a[i++]}`);
    else lines.push(`+${b[j++]}`);
  }
  return lines;
}

/** Unchanged lines shown around a change. */
const CONTEXT = 3;

/** A file's change as `diff -u` shows it; nothing when nothing changed. */
export function fileDiff(name: string, before: string, after: string): readonly string[] {
  if (before === after) return [];
  const [a, b] = [linesOf(before), linesOf(after)];
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail++;
  // What is the same at both ends need not be compared line by line.
  const from = Math.max(0, head - CONTEXT);
  const rest = Math.max(0, tail - CONTEXT);
  const lines = diffOf(a.slice(from, a.length - rest), b.slice(from, b.length - rest));
  return [`--- ${before === '' ? '/dev/null' : name}`, `+++ ${name}`, ...hunks(lines, from)];
}

function linesOf(text: string): string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** Cuts out what is unchanged over a longer stretch. `from`: lines in front of the first one. */
function hunks(lines: readonly string[], from: number): string[] {
  const near = lines.map((_, index) =>
    lines.slice(Math.max(0, index - CONTEXT), index + CONTEXT + 1).some((line) => !line.startsWith(' ')),
  );
  const out: string[] = [];
  let [oldLine, newLine] = [from, from];
  for (let index = 0; index < lines.length; ) {
    if (!near[index]) {
      oldLine++;
      newLine++;
      index++;
      continue;
    }
    const end = near.indexOf(false, index);
    const hunk = lines.slice(index, end < 0 ? lines.length : end);
    const removed = hunk.filter((line) => !line.startsWith('+')).length;
    const added = hunk.filter((line) => !line.startsWith('-')).length;
    const at = (line: number, count: number): string => `${count === 0 ? line : line + 1},${count}`;
    out.push(`@@ -${at(oldLine, removed)} +${at(newLine, added)} @@`, ...hunk);
    oldLine += removed;
    newLine += added;
    index += hunk.length;
  }
  return out;
}
