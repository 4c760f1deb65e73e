import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { copyFields } from '../../../src/masking/write-back/copy-fields.ts';
import { hasMark, MarkScanner } from '../../../src/masking/write-back/marks.ts';
import type { CopyData } from '../../../src/model/statement.ts';

const TEXT: CopyData = {
  format: 'text',
  delimiter: '\t',
  quote: '"',
  escape: '"',
  header: false,
  nullText: '\\N',
  columns: [],
};
const CSV: CopyData = { ...TEXT, format: 'csv', delimiter: ',', nullText: '' };
const BINARY: CopyData = { ...TEXT, format: 'binary' };

type Row = readonly (string | null)[];
const value = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }).map((text) => text.replaceAll('\0', '')),
  fc.constantFrom('', '\\', '\\N', 'N', '"', '""', ',', '\t', '\n', '\r\n', 'a"b,c\n', '***', 'ä', '\\x41', "'"),
);
const rows = fc.array(fc.array(fc.option(value), { minLength: 3, maxLength: 3 }), { maxLength: 6 });

/** As the server's COPY TO writes them. */
const writers: readonly (readonly [data: CopyData, write: (rows: readonly Row[]) => Buffer])[] = [
  [TEXT, (all) => Buffer.from(all.map((row) => `${row.map(textValue).join('\t')}\n`).join(''))],
  [CSV, (all) => Buffer.from(all.map((row) => `${row.map((each) => csvValue(each, '"', '"')).join(',')}\n`).join(''))],
  [
    { ...CSV, delimiter: ';', quote: "'", escape: '\\', header: true },
    (all) =>
      Buffer.from(
        `a;'b\n;';c\r\n${all.map((row) => row.map((each) => csvValue(each, "'", '\\')).join(';')).join('\r\n')}`,
      ),
  ],
  [BINARY, binary],
];

function textValue(text: string | null): string {
  if (text === null) return '\\N';
  return text.replaceAll('\\', '\\\\').replaceAll('\t', '\\t').replaceAll('\n', '\\n').replaceAll('\r', '\\r');
}

function csvValue(text: string | null, quote: string, escaping: string): string {
  if (text === null) return '';
  let inside = '';
  for (const character of text)
    inside += character === quote || character === escaping ? escaping + character : character;
  return `${quote}${inside}${quote}`;
}

function binary(all: readonly Row[]): Buffer {
  const number = (size: 2 | 4, of: number) => {
    const bytes = Buffer.alloc(size);
    bytes.writeIntBE(of, 0, size);
    return bytes;
  };
  const parts = [Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), number(4, 0), number(4, 3), Buffer.from('ext')];
  for (const row of all) {
    parts.push(number(2, row.length));
    for (const each of row) {
      const bytes = each === null ? undefined : Buffer.from(each);
      parts.push(number(4, bytes ? bytes.length : -1), bytes ?? Buffer.alloc(0));
    }
  }
  return Buffer.concat([...parts, number(2, -1), Buffer.from('behind the end')]);
}

for (const [data, write] of writers) {
  test(`${data.format} with quote ${data.quote}: every value comes out as it went in, however the data is cut`, () => {
    fc.assert(
      fc.property(rows, fc.array(fc.nat(40), { minLength: 1 }), (all, cuts) => {
        const found: [number, string][] = [];
        const fields = copyFields(data, new Set([0, 2]), (column, bytes) => found.push([column, bytes.toString()]));
        const bytes = write(all);
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const length = 1 + (cuts[turn % cuts.length] ?? 0);
          fields.push(Buffer.from(bytes.subarray(at, at + length)));
          at += length;
        }
        fields.end();
        const expected = all.flatMap((row) =>
          [0, 2].flatMap((column) => (row[column] == null ? [] : [[column, row[column]]])),
        );
        // A line that has no end may be followed by nothing.
        assert.deepEqual(found.slice(0, expected.length), expected);
        assert.ok(found.slice(expected.length).every(([column, text]) => column === 0 && text === ''));
      }),
      { numRuns: 2_000 },
    );
  });
}

test('a value longer than any mask is let go of, and what follows is still seen', () => {
  const found: string[] = [];
  const fields = copyFields(TEXT, new Set([0]), (_, bytes) => found.push(bytes.toString()));
  for (let part = 0; part < 1_000; part++) fields.push(Buffer.alloc(65_536, 'x'));
  fields.push(Buffer.from('\n***\n'));
  assert.deepEqual(found, ['***']);
});

test('a mark is found however the bytes are cut, and what only begins like one is not', () => {
  const letters = fc.string({ unit: fc.constantFrom(...'abcdefghijklmnop'), minLength: 22, maxLength: 22 });
  const noise = fc.string({ unit: fc.constantFrom('p', '_', 'a', ' ', 'Z', '@', 'ä'), maxLength: 80 });
  const mark = fc.oneof(
    letters.map((text) => `p_${text}`),
    letters.map((text) => `p_${text.slice(0, 9)}@masked.invalid`),
  );
  fc.assert(
    fc.property(
      noise,
      fc.option(mark),
      noise,
      fc.array(fc.nat(30), { minLength: 1 }),
      (before, inside, after, cuts) => {
        const text = inside === null ? before + after : `${before} ${inside} ${after}`;
        const bytes = Buffer.from(text);
        const scanner = new MarkScanner();
        let found = false;
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const length = 1 + (cuts[turn % cuts.length] ?? 0);
          found = scanner.push(bytes.subarray(at, at + length)) || found;
          at += length;
        }
        assert.equal(found || scanner.end(), hasMark(text), text);
        assert.equal(hasMark(text), inside !== null);
      },
    ),
    { numRuns: 5_000 },
  );
});
