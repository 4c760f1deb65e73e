import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { ColumnDetectors, DetectorSet } from '../../../../src/masking/detect/index.ts';
import { MaskingError } from '../../../../src/masking/index.ts';

/** Patterns over a tiny alphabet, so that texts hit them. */
const atom = fc.constantFrom('a', 'b', '[ab]', '[^a]', '.', '\\d', '[0-9b]', '(?:ab|ba)', '(?:a|bb)');
const piece = fc.tuple(atom, fc.constantFrom('', '+', '*', '?', '{2}', '{1,3}', '{2,}')).map((parts) => parts.join(''));
const pattern = fc
  .tuple(fc.array(piece, { minLength: 1, maxLength: 4 }), fc.array(piece, { minLength: 1, maxLength: 3 }))
  .map(([first, second]) => `abb1(?:${first.join('')}|${second.join('')})`);
const text = fc.string({ unit: fc.constantFrom('a', 'b', 'a', 'b', '1', '0', ' ', '-', 'é', '€'), maxLength: 60 });

function found(source: string, value: string): boolean {
  const set = new DetectorSet({ families: new Set(), patterns: [{ name: 'own', pattern: source, label: 'x' }] });
  const columns = new ColumnDetectors(set, () => 'report', [{ name: '', writing: 'text' }]);
  const bytes = Buffer.from(value);
  columns.scan(0, bytes, 0, bytes.length);
  return columns.counts().length > 0;
}

test('a pattern is found where a back-tracking engine finds it as a whole word', () => {
  fc.assert(
    fc.property(pattern, fc.array(fc.oneof(text, fc.constant('abb1')), { maxLength: 5 }), (source, parts) => {
      const value = parts.join('');
      // Ends where a word does not go on: a letter or digit beside it must not be a word's.
      const expected = new RegExp(`(?<![A-Za-z0-9_])(?:${source})(?:(?<![A-Za-z0-9_])|(?![A-Za-z0-9_]))`, 'u').test(
        value,
      );
      assert.equal(found(source, value), expected, `${source} in ${JSON.stringify(value)}`);
    }),
    { numRuns: 3_000, seed: 5 },
  );
});

test('a pattern that would take a back-tracking engine years is searched in linear time', () => {
  const set = new DetectorSet({
    families: new Set(),
    patterns: [{ name: 'slow', pattern: 'x(?:a+)+(?:a|aa)+y-end', label: 'x' }],
  });
  const columns = new ColumnDetectors(set, () => 'report', [{ name: '', writing: 'text' }]);
  const bytes = Buffer.from(`x${'a'.repeat(2_000_000)}!`);
  const started = process.threadCpuUsage();
  columns.scan(0, bytes, 0, bytes.length);
  const { user } = process.threadCpuUsage(started);
  assert.ok(user < 5_000_000, `${user} µs for 2 MB`);
});

test('what a linear-time search cannot do is refused, with the place and the reason', () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ['(a)\\1bcd', /character 4: \\1 is not known/],
    ['abcd(?=e)', /look-around/],
    ['^abcd', /character 1: anchors/],
    ['abc[z-a]', /range/],
    ['abc(def', /not closed/],
    ['abcd)', /closes nothing/],
    ['a{1000}', /more than 256 times/],
    ['(?:(?:(?:a{200}){200}){200}){4}', /places/],
    ['a+', /shorter than 4 bytes/],
    ['ab[é]cd', /only ASCII/],
    ['*abcd', /nothing stands before/],
  ];
  for (const [source, why] of refused) {
    assert.throws(
      () => found(source, ''),
      (error: unknown) =>
        error instanceof MaskingError && error.code === 'ERR_MASKING_PATTERN' && why.test(error.message),
      source,
    );
  }
});

test('case can be ignored, and characters beyond ASCII stand for themselves', () => {
  assert.ok(found('(?i)emp-[0-9]{4}', 'see EMP-1234 now'));
  assert.ok(!found('emp-[0-9]{4}', 'see EMP-1234 now'));
  assert.ok(found('Straße [0-9]+[a-z]?', 'in der Straße 12b.'));
  assert.ok(!found('EMP-[0-9]{4}', 'TEMP-1234'), 'part of a longer word');
});
