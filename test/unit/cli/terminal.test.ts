import assert from 'node:assert/strict';
import test from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { duration, wholeNumber } from '../../../src/cli/call.ts';
import { facts, moment, plural, printable, shortened, table } from '../../../src/cli/terminal.ts';

test('text from elsewhere cannot move the cursor, colour or ring', () => {
  assert.equal(printable('a\u001b[31mred\u001b[0m\u0007b\rc\u0000d'), 'ared b c d');
  assert.doesNotMatch(table(['A'], [['\u001b]0;title\u0007x']]).split('\n')[1] ?? '', /\u001b/);
});

test('columns line up under their headings', () => {
  const lines = stripVTControlCharacters(
    table(
      ['ID', 'NAME'],
      [
        ['1', 'x'],
        ['1000', 'y'],
      ],
    ),
  ).split('\n');
  assert.deepEqual(lines, ['ID    NAME', '1     x', '1000  y']);
});

test('absent facts take no line', () => {
  assert.equal(
    facts([
      ['one', '1'],
      ['nothing', undefined],
      ['three', '3'],
    ]),
    'one    1\nthree  3',
  );
});

test('long text becomes one line that fits', () => {
  assert.equal(shortened('SELECT *\n  FROM t', 80), 'SELECT * FROM t');
  assert.equal(shortened('abcdef', 4), 'abc…');
});

test('times and counts read as people write them', () => {
  assert.equal(moment('2026-11-22T21:40:07.123Z'), '2026-11-22 21:40:07');
  assert.equal(moment(undefined), '');
  assert.deepEqual([plural(1, 'row'), plural(2, 'person', 'people')], ['1 row', '2 people']);
});

test('durations and numbers on the command line are judged', () => {
  assert.deepEqual(['90', '90s', '15m', '8h', '2d'].map(duration('--ttl')), [90, 90, 900, 28_800, 172_800]);
  for (const wrong of ['', '-1', '1w', '1.5h', 'h'])
    assert.throws(() => duration('--ttl')(wrong), { code: 'ERR_CLI_USAGE' });
  assert.equal(wholeNumber('--limit')('50'), 50);
  assert.throws(() => wholeNumber('--limit')('5e3'), { code: 'ERR_CLI_USAGE' });
});
