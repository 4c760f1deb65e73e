/** Which columns are hidden from whom, and by which mask: labels, their tree, several of them, tables, exceptions for one person. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { labelled, viewOf, type World } from '../../../src/dataplane/index.ts';
import { parseLabelFile } from '../../../src/masking/index.ts';
import type { MaskKind, MaskRules } from '../../../src/model/mask.ts';
import { context, principal, setOf } from '../policy/fixtures.ts';
import { catalog, customers, orders, sharedAnalyser } from '../statement/world.ts';

const rules: MaskRules = {
  default: { kind: 'redact' },
  byLabel: new Map<string, MaskKind>([
    ['pii', { kind: 'partial', keepFirst: 1 }],
    ['pii.contact', { kind: 'pseudonym' }],
    ['hr', { kind: 'null' }],
  ]),
};

async function world(text: string): Promise<World> {
  const { files } = parseLabelFile(text, 'shop.yaml');
  return labelled('shop', catalog, { files, analyser: await sharedAnalyser() });
}

const LABELS = `shop:
  shop.customers: { name: [pii.name], email: [pii.contact.email], country: [geo, hr.site] }
  shop.orders: { $table: [confidential], total: [fin.total] }
`;

/** Hidden columns of customers and orders with the beginning of what is told apart by the mask: \`email:pseudonym\`. */
async function hidden(policy: string, who: ReturnType<typeof principal>, labels = LABELS): Promise<string[]> {
  const { hidden: relations } = viewOf(await world(labels), setOf(policy), who, rules, context());
  return [customers, orders].flatMap(({ oid }) =>
    [...(relations.get(oid)?.expressions ?? [])].map(([column, sql]) => {
      const kind = /pseudonym_inner/.test(sql)
        ? 'pseudonym'
        : /left\(/.test(sql)
          ? 'partial'
          : /NULL::|^NULL/.test(sql)
            ? 'null'
            : 'redact';
      return `${column}:${kind}`;
    }),
  );
}
const ALL = ['name:partial', 'email:pseudonym', 'country:null', 'total:redact'];
const sam = principal('idp|sam', ['stewards']);
const may = (label: string, who = 'principal in Group::"stewards"') =>
  `permit (${who}, action == Action::"unmask", resource in Label::"${label}");`;

test('without a permit everything labelled is hidden, each by the mask of the nearest label with one', async () => {
  assert.deepEqual((await hidden('', sam)).sort(), [...ALL].sort());
});

test('a permit on a label is one on all labels below it, and on none beside or above it', async () => {
  assert.deepEqual(await hidden(may('pii'), sam), ['country:null', 'total:redact']);
  assert.deepEqual(await hidden(may('pii.contact'), sam), ['name:partial', 'country:null', 'total:redact']);
  assert.deepEqual(await hidden(may('pii.contact.email.work'), sam), ALL);
  assert.deepEqual(await hidden(may('pi'), sam), ALL);
});

test('a forbid on a label below takes back what the one above gives, for everybody or for one person', async () => {
  const never = 'forbid (principal, action == Action::"unmask", resource in Label::"pii.contact.email");';
  assert.deepEqual(await hidden(may('pii') + never, sam), ['email:pseudonym', 'country:null', 'total:redact']);
  const butSam = never.replace('principal,', 'principal == User::"idp|sam",');
  assert.deepEqual(await hidden(may('pii') + butSam, principal('idp|sue', ['stewards'])), [
    'country:null',
    'total:redact',
  ]);
  assert.deepEqual(await hidden(may('pii') + butSam, sam), ['email:pseudonym', 'country:null', 'total:redact']);
});

test('one person may see what nobody else sees', async () => {
  const policy = may('pii.contact.email', 'principal == User::"idp|sam"');
  assert.deepEqual(
    await hidden(policy, sam),
    ALL.filter((each) => !each.startsWith('email')),
  );
  assert.deepEqual(await hidden(policy, principal('idp|sue', ['stewards'])), ALL);
});

test('with several labels each has to be permitted, and the strictest mask of all of them stands, whichever is permitted', async () => {
  assert.ok((await hidden(may('geo'), sam)).includes('country:null'));
  assert.ok((await hidden(may('hr'), sam)).includes('country:null'), 'the mask of hr, though hr is permitted');
  assert.ok(!(await hidden(may('geo') + may('hr'), sam)).some((each) => each.startsWith('country')));
});

test('the label of a table hides no column and opens none; a forbid on it closes those that carry labels', async () => {
  assert.deepEqual(await hidden(may('confidential'), sam), ALL);
  const both = `${may('fin')}forbid (principal, action == Action::"unmask", resource in Label::"confidential");`;
  assert.ok((await hidden(both, sam)).includes('total:redact'));
  assert.ok(!(await hidden(may('fin'), sam)).includes('total:redact'));
  assert.deepEqual(await hidden('', sam, 'shop:\n  shop.orders: { $table: [confidential] }\n'), [], 'nothing to hide');
});
