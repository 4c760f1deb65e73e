import assert from 'node:assert/strict';
import test from 'node:test';
import { parseLabelFile } from '../../../src/masking/index.ts';

test('a label file gives relations, columns, labels and the lines they stand on', () => {
  const { files, problems } = parseLabelFile(
    `# what is sensitive
shop:
  shop.customers: { email: [pii.contact.email], card_number: [pci.pan, fin], birth_date: [] }
  shop.employees: { $table: [confidential] }
  'shop."Kunden Straße"': { 'E-Mail Adresse': [pii.contact.email] }
other:
  Public.T:
    a: [x-1]
`,
    'labels/shop.yaml',
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(
    files.map(({ connection, relations }) => [connection, relations.map(({ relation, line }) => [relation, line])]),
    [
      [
        'shop',
        [
          ['"shop"."customers"', 3],
          ['"shop"."employees"', 4],
          ['"shop"."Kunden Straße"', 5],
        ],
      ],
      ['other', [['"public"."t"', 7]]],
    ],
  );
  const [customers, employees, streets] = files[0]?.relations ?? [];
  assert.deepEqual(
    [...(customers?.columns ?? [])],
    [
      ['email', ['pii.contact.email']],
      ['card_number', ['pci.pan', 'fin']],
      ['birth_date', []],
    ],
  );
  assert.deepEqual(employees?.tableLabels, ['confidential']);
  assert.deepEqual([...(streets?.columns ?? [])], [['E-Mail Adresse', ['pii.contact.email']]]);
});

test('an empty file, or one of comments, labels nothing', () => {
  for (const text of ['', '# nothing yet\n', '---\n'])
    assert.deepEqual(parseLabelFile(text, 'f'), { files: [], problems: [] }, text);
});

test('every mistake is reported with its line, and none is passed over', () => {
  const cases: readonly (readonly [string, number, RegExp])[] = [
    ['shop: [a]\n', 1, /wrong shape/],
    ['- a\n', 1, /wrong shape/],
    ['shop:\n  a.b: 7\n', 2, /wrong shape/],
    ['shop:\n  a.b:\n    c: pii\n', 3, /not a list/],
    ['shop:\n  a.b:\n    c: { pii: x }\n', 3, /not a list/],
    ['shop:\n  a.b:\n    c: [PII]\n', 3, /"PII" is not a label/],
    ['shop:\n  a.b:\n    c: [pii., x]\n', 3, /not a label/],
    ['shop:\n  a.b:\n    c:\n      - pii\n      - 7\n', 5, /7 is not a label/],
    ['shop:\n  a.b:\n    c: [pii, pii]\n', 3, /twice/],
    ['shop:\n  a.b:\n    c: [pii]\n    c: [x]\n', 4, /line 3 already/],
    ['shop:\n  a.b: {}\n  A.B: {}\n', 3, /labelled on line 2 already/],
    ['shop:\n  a.b: {}\nshop:\n  c.d: {}\n', 3, /line 1 already/],
    ['shop:\n  a.b.c: {}\n', 2, /not a relation's name/],
    ['shop:\n  a b: {}\n', 2, /not a relation's name/],
    ['shop:\n  7: {}\n', 2, /not text/],
    ['shop:\n  a.b: {\n', 3, /not valid YAML/],
    ['shop: {}\n---\nshop: {}\n', 2, /one YAML document/],
    ['shop:\n  a.b: &x { c: [pii] }\n  d.e: *x\n', 3, /wrong shape/],
  ];
  for (const [text, line, message] of cases) {
    const { problems } = parseLabelFile(text, 'labels/x.yaml');
    const errors = problems.filter(({ severity }) => severity === 'error');
    assert.ok(
      errors.some((problem) => problem.line === line && message.test(problem.message)),
      `${text}${JSON.stringify(problems)}`,
    );
    for (const problem of problems) assert.equal(problem.file, 'labels/x.yaml');
  }
});

test('all mistakes of a file come in one run', () => {
  const { problems } = parseLabelFile('shop:\n  a.b.c: {}\n  d.e: { f: PII, g: [X] }\nother: 7\n', 'x');
  assert.deepEqual(
    problems.map(({ line }) => line),
    [2, 3, 3, 4],
  );
});

test('a relation without a schema is taken from public, with a warning', () => {
  const { files, problems } = parseLabelFile('shop:\n  customers: { email: [pii] }\n', 'x');
  assert.equal(files[0]?.relations[0]?.relation, '"public"."customers"');
  assert.deepEqual(
    problems.map(({ severity, line }) => [severity, line]),
    [['warning', 2]],
  );
});
