import { stripVTControlCharacters, styleText } from 'node:util';

/** One row of a printed table. */
export type Row = readonly string[];

/** Where a command says things: results on stdout (text or one JSON document), everything else on stderr. */
export class Terminal {
  readonly json: boolean;

  constructor(json: boolean) {
    this.json = json;
  }

  /** The command's result: `value` as JSON, or what `text` makes of it. */
  result<Value>(value: Value, text: (value: Value) => string): void {
    const written = this.json ? JSON.stringify(value, null, 2) : text(value);
    if (written !== '') process.stdout.write(written.endsWith('\n') ? written : `${written}\n`);
  }

  /** Progress and advice, for people. */
  note(line: string): void {
    process.stderr.write(`${line}\n`);
  }
}

/** Columns under headings, two spaces apart; the last column is not padded. */
export function table(headings: Row, rows: readonly Row[]): string {
  const all = [headings, ...rows];
  const widths = headings.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const lines = all.map((row, index) => {
    const cells = headings.map((_, column) => {
      const cell = printable(row[column] ?? '');
      return column === headings.length - 1 ? cell : cell.padEnd(widths[column] ?? 0);
    });
    const line = cells.join('  ').trimEnd();
    return index === 0 ? styleText('bold', line) : line;
  });
  return lines.join('\n');
}

/** Names and values, one a line; absent values are left out. */
export function facts(entries: readonly (readonly [string, string | undefined])[]): string {
  const present = entries.flatMap(([name, value]) => (value === undefined || value === '' ? [] : [{ name, value }]));
  const width = Math.max(0, ...present.map(({ name }) => name.length));
  return present.map(({ name, value }) => `${name.padEnd(width)}  ${printable(value)}`).join('\n');
}

/** Text from elsewhere must not move the cursor or colour the screen of who reads it. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, ' ');
}

/** One line of at most `width` characters. */
export function shortened(text: string, width: number): string {
  const line = printable(text).replace(/\s+/g, ' ').trim();
  return line.length <= width ? line : `${line.slice(0, width - 1)}…`;
}

/** `2026-11-22 21:40:07` in UTC, from an RFC 3339 timestamp. */
export function moment(timestamp: string | undefined): string {
  return timestamp === undefined ? '' : timestamp.replace('T', ' ').replace(/(\.\d+)?Z$/, '');
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
