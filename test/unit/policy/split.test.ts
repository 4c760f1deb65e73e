import assert from 'node:assert/strict';
import test from 'node:test';
import cedar from '@cedar-policy/cedar-wasm/nodejs';
import fc from 'fast-check';
import { loadPolicySet } from '../../../src/policy/index.ts';
import { characterAtByte, positionOf, splitPolicies } from '../../../src/policy/split.ts';

const piece = fc.constantFrom(
  'permit (principal, action, resource);',
  'forbid (principal, action, resource)',
  'when { context.verb == "a;b" }',
  'unless { context.verb == "\\\\" }',
  '@reason("x;\\"//")',
  ';',
  '"',
  '\\',
  '// comment; "\n',
  '//\r',
  '\n',
  '\r\n',
  '\t ',
  '"//;"',
  'ä😀',
);

test('files are cut where Cedar itself ends a policy, or are refused', () => {
  let parsed = 0;
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const text = pieces.join(' ');
      const whole = cedar.policySetTextToParts(text);
      const loaded = loadPolicySet([{ name: 'a.cedar', text }]);
      if (whole.type === 'failure') {
        assert.ok('problems' in loaded, text);
        return;
      }
      parsed++;
      const shapes = (texts: readonly string[]) => texts.map((each) => JSON.stringify(cedar.policyToJson(each))).sort();
      assert.deepEqual(shapes(splitPolicies(text).map((source) => source.text)), shapes(whole.policies), text);
    }),
    { numRuns: 2_000 },
  );
  assert.ok(parsed > 100, `${parsed} texts parsed`);
});

test('a byte order mark and Windows line ends do no harm', () => {
  const loaded = loadPolicySet([
    {
      name: 'a.cedar',
      text: '\ufeffpermit (principal, action, resource);\r\n// x\r\n\r\nforbid (principal, action, resource);\r\n',
    },
  ]);
  assert.ok('ok' in loaded);
  assert.deepEqual(
    [...loaded.ok.policies.values()].map(({ line }) => line),
    [1, 4],
  );
});

test('positions count lines and characters from 1', () => {
  const text = 'ab\nc\n\nd';
  assert.deepEqual(positionOf(text, 0), { line: 1, column: 1 });
  assert.deepEqual(positionOf(text, 2), { line: 1, column: 3 });
  assert.deepEqual(positionOf(text, 3), { line: 2, column: 1 });
  assert.deepEqual(positionOf(text, 6), { line: 4, column: 1 });
  assert.equal(characterAtByte('ä😀x', 6), 3);
});
