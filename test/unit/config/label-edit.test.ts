import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { fileDiff } from '../../../src/cli/diff.ts';
import { type LabelAddition, labelFileFor, withLabels } from '../../../src/config/index.ts';
import { parseLabelFile } from '../../../src/masking/index.ts';

const add = (over: Partial<LabelAddition> = {}): LabelAddition => ({
  connection: 'shop',
  schema: 'shop',
  relation: 'payments',
  column: 'iban',
  label: 'fin.iban',
  source: 'scanned',
  confidence: 97,
  by: 'ann@example.org',
  at: '2026-11-27T20:15:00Z',
  why: 'iban 990/1000 scanned',
  ...over,
});
const ENTRY =
  "{ label: fin.iban, source: scanned, confidence: 97, by: ann@example.org, at: 2026-11-27T20:15:00Z, why: 'iban 990/1000 scanned' }";

/** Lines that are not in the other text, in order. */
function changed(before: string, after: string): string[] {
  return fileDiff('f', before, after).filter((line) => /^[-+](?![-+])/.test(line));
}

test('a label is added where its column, relation or connection stands, and nothing else changes', () => {
  for (const [before, lines] of [
    // the column has a list
    [
      'shop:\n  shop.payments:\n    iban: [] # looked at\n',
      ['-    iban: [] # looked at', `+    iban: [${ENTRY}] # looked at`],
    ],
    [
      'shop:\n  shop.payments: { iban: [pii.quasi], note: [] }\n',
      [
        '-  shop.payments: { iban: [pii.quasi], note: [] }',
        `+  shop.payments: { iban: [pii.quasi, ${ENTRY}], note: [] }`,
      ],
    ],
    ['shop:\n  shop.payments:\n    iban:\n      - pii.quasi # old\n    # end\n', [`+      - ${ENTRY}`]],
    // the relation is there
    ['shop:\n  shop.payments: # money\n    note: [] # why\n    # end\n  shop.other: {}\n', [`+    iban: [${ENTRY}]`]],
    ['shop:\n  shop.payments: {}\n', ['-  shop.payments: {}', '+  shop.payments:', `+    iban: [${ENTRY}]`]],
    [
      'shop:\n  shop.payments: { note: [] } # money\n',
      ['-  shop.payments: { note: [] } # money', `+  shop.payments: { note: [], iban: [${ENTRY}] } # money`],
    ],
    // the connection is there
    [
      '# top\n\nshop:\n\n  # customers\n  shop.a:\n    x: [pii.name]\n\n# bottom\n',
      ['+  shop.payments:', `+    iban: [${ENTRY}]`],
    ],
    [
      'shop: {} # nothing yet\n# end\n',
      ['-shop: {} # nothing yet', '+shop: # nothing yet', '+  shop.payments:', `+    iban: [${ENTRY}]`],
    ],
    [
      'shop: { shop.a: { x: [pii.name] } }',
      [
        '-shop: { shop.a: { x: [pii.name] } }',
        `+shop: { shop.a: { x: [pii.name] }, shop.payments: { iban: [${ENTRY}] } }`,
      ],
    ],
    ['"shop":\n    \'"shop".payments\':\n        note: []\n', [`+        iban: [${ENTRY}]`]],
    // nothing is there
    ['', ['+shop:', '+  shop.payments:', `+    iban: [${ENTRY}]`]],
    ['# only a comment\n', ['+shop:', '+  shop.payments:', `+    iban: [${ENTRY}]`]],
    ['crm:\n  a.b: { c: [] }', ['+shop:', '+  shop.payments:', `+    iban: [${ENTRY}]`]],
  ] as const) {
    const after = withLabels(before, 'shop.yaml', [add()]);
    assert.deepEqual(changed(before, after), [...lines], `${before}\n=>\n${after}`);
    assert.equal(withLabels(after, 'shop.yaml', [add()]), after, 'a second time changes nothing');
  }
});

test('line breaks stay those of the file', () => {
  const after = withLabels('shop:\r\n  shop.payments:\r\n    note: []\r\n  shop.x: {}\r\n', 'f', [add()]);
  assert.equal(after, `shop:\r\n  shop.payments:\r\n    note: []\r\n    iban: [${ENTRY}]\r\n  shop.x: {}\r\n`);
});

test('several labels at once, odd names and odd words are read back as they are', () => {
  const additions = [
    add(),
    add({ label: 'pii.quasi', source: 'name', why: `it's "so": #1\n\\ [x] {y}, \u0000\u2028` }),
    add({ relation: 'Kunden Straße', column: 'E-Mail: Adresse', label: 'pii.contact.email', by: 'null' }),
    add({ schema: 'a"b', relation: "c'd", column: '# no', label: 'pii.name' }),
    add({ column: 'null', label: 'pii.name' }),
  ];
  const after = withLabels('shop: {}\n', 'f', additions);
  const { files, problems } = parseLabelFile(after, 'f');
  assert.deepEqual(problems, []);
  const read = files.flatMap(({ connection, relations }) =>
    relations.flatMap(({ relation, notes }) =>
      [...(notes ?? [])].flatMap(([column, labels]) =>
        labels.map(({ label, source, by, why }) => [connection, relation, column, label, source, by, why]),
      ),
    ),
  );
  assert.deepEqual(
    read.sort(),
    additions
      .map(({ connection, schema, relation, column, label, source, by, why }) => [
        connection,
        `"${schema.replaceAll('"', '""')}"."${relation}"`,
        column,
        label,
        source,
        by,
        why,
      ])
      .sort(),
  );
});

test('a file with a mistake, and one that cannot be added to, are left alone with the reason', () => {
  for (const before of [
    'shop: [\n',
    'shop: { shop.payments: { iban: pii } }\n',
    'x: &x { shop.a: { c: [pii] } }\nshop: *x\n',
    'shop: { # why\n}\n',
    'shop: {}\n...\n# behind the end\n---\n',
  ])
    assert.throws(
      () => withLabels(before, 'shop.yaml', [add()]),
      { code: 'ERR_CONFIG_LABELS_NOT_EDITED', message: /shop\.yaml was not changed: .* --file/ },
      before,
    );
});

test('whatever the names, what was in the file stays and the label is there', () => {
  const name = fc.string({ minLength: 1, maxLength: 12 }).filter((text) => !text.includes('\0') && text.isWellFormed());
  fc.assert(
    fc.property(
      fc.array(fc.record({ schema: name, relation: name, column: name, why: fc.string() }), {
        minLength: 1,
        maxLength: 4,
      }),
      (names) => {
        const before = '# head\nshop:\n  shop.a: { x: [pii.name] } # x\n  # tail\n';
        const additions = names.map((each) => add({ ...each, why: each.why.toWellFormed() }));
        const after = withLabels(before, 'f', additions);
        for (const line of before.split('\n')) assert.ok(after.includes(line), line);
        const read = parseLabelFile(after, 'f');
        assert.deepEqual(read.problems, []);
        for (const { schema, relation, column, label } of additions) {
          const quoted = [schema, relation].map((part) => `"${part.replaceAll('"', '""')}"`).join('.');
          const there = read.files[0]?.relations.find((each) => each.relation === quoted);
          assert.ok(there?.columns.get(column)?.includes(label), `${quoted} ${column}\n${after}`);
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('a label goes into the file that names its relation, else its connection, else a new one', () => {
  const files = [
    { name: 'a.yaml', text: 'crm: { shop.payments: { x: [] } }\n' },
    { name: 'b.yaml', text: 'shop: { shop.other: { x: [] } }\n' },
    { name: 'c.yaml', text: 'shop: { Shop.Payments: { x: [] } }\n' },
  ];
  assert.equal(labelFileFor(files, add()), 'c.yaml');
  assert.equal(labelFileFor(files, add({ relation: 'third' })), 'b.yaml');
  assert.equal(labelFileFor(files, add({ connection: 'erp' })), 'erp.yaml');
});

test('a diff shows what changed with three lines around it, in as many pieces as are apart', () => {
  const before = Array.from({ length: 30 }, (_, n) => `line ${n}`).join('\n');
  const after = before.replace('line 4', 'line four').replace('line 20\n', '');
  assert.deepEqual(fileDiff('x', `${before}\n`, `${after}\n`), [
    '--- x',
    '+++ x',
    '@@ -2,7 +2,7 @@',
    ' line 1',
    ' line 2',
    ' line 3',
    '-line 4',
    '+line four',
    ' line 5',
    ' line 6',
    ' line 7',
    '@@ -18,7 +18,6 @@',
    ' line 17',
    ' line 18',
    ' line 19',
    '-line 20',
    ' line 21',
    ' line 22',
    ' line 23',
  ]);
  assert.deepEqual(fileDiff('x', '', 'a\n'), ['--- /dev/null', '+++ x', '@@ -0,0 +1,1 @@', '+a']);
  assert.deepEqual(fileDiff('x', 'a', 'a'), []);
});
