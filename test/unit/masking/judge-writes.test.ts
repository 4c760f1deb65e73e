import assert from 'node:assert/strict';
import test from 'node:test';
import { judgeWrites, maskedRelation } from '../../../src/masking/index.ts';
import type { HiddenRelations, MaskKind } from '../../../src/model/mask.ts';
import type { Refusal } from '../../../src/model/refusal.ts';
import { analysed, customers } from '../statement/world.ts';

const MARK = 'p_gbhkmdcnggppephgpggljk';
const KINDS = new Map<string, MaskKind>([
  ['email', { kind: 'pseudonym' }],
  ['name', { kind: 'redact' }],
]);
const hidden: HiddenRelations = new Map([
  [customers.oid, maskedRelation(customers, KINDS, new Map([['email', ['pii.contact.email']]]))],
]);

async function judged(text: string, copies: 'refuse' | 'allow' = 'refuse') {
  const script = await analysed(text, { followValues: true });
  assert.ok(!('kind' in script), text);
  return judgeWrites(script, hidden, copies);
}

async function refusal(text: string, copies?: 'refuse' | 'allow'): Promise<Refusal | undefined> {
  const answer = await judged(text, copies);
  return 'refusal' in answer ? answer.refusal : undefined;
}

test('a refusal says which column, why, what to do, and where in the text', async () => {
  const text = `UPDATE shop.customers SET country = 'ö', name = '***'`;
  assert.deepEqual(await refusal(text), {
    code: 'mask-written',
    message: 'gatehouse: the value for column "name" of shop.customers is what the mask shows you of it',
    detail: 'The column is hidden from you: written back, the mask would take the place of the value.',
    hint: 'Leave the column out of what you write, or ask for access to the unmasked data.',
    position: text.indexOf("'***'") + 1,
  });
  const derived = await refusal('INSERT INTO shop.orders (id) SELECT length(email) FROM shop.customers');
  assert.match(
    derived?.message ?? '',
    /column "id" of shop\.orders would get values that come from column "email" of shop\.customers/,
  );
});

test('with copies allowed, masked values go anywhere but into hidden columns', async () => {
  const elsewhere = [
    `UPDATE public.orders SET note = '${MARK}'`,
    'INSERT INTO public.orders (note) SELECT email FROM shop.customers',
    'CREATE TABLE shop.copied AS SELECT * FROM shop.customers',
    'SELECT name INTO shop.copied FROM shop.customers',
  ];
  for (const text of elsewhere) {
    assert.ok(await refusal(text), text);
    assert.equal(await refusal(text, 'allow'), undefined, text);
  }
  const into = [
    `UPDATE shop.customers SET email = '${MARK}'`,
    `UPDATE shop.customers SET name = '${MARK}'`,
    "UPDATE shop.customers SET name = '***'",
    'UPDATE shop.customers c SET name = o.country || o.name FROM shop.customers o',
    'INSERT INTO shop.customers (name) SELECT email FROM shop.customers',
  ];
  for (const text of into)
    for (const copies of ['refuse', 'allow'] as const) assert.ok(await refusal(text, copies), text);
});

test('there is a guard only where values come that the text does not hold', async () => {
  const guards = async (text: string, copies?: 'refuse' | 'allow') => {
    const answer = await judged(text, copies);
    assert.ok('guards' in answer, text);
    return answer.guards.map((guard) => guard !== undefined);
  };
  assert.deepEqual(await guards('SELECT email FROM shop.customers WHERE id = $1'), [false]);
  assert.deepEqual(await guards('DELETE FROM shop.customers WHERE id = $1'), [false]);
  assert.deepEqual(await guards('UPDATE shop.customers SET country = 1 WHERE id = $1'), [false]);
  assert.deepEqual(await guards('UPDATE shop.customers SET country = $1'), [true]);
  assert.deepEqual(await guards('UPDATE shop.customers SET country = $1', 'allow'), [false]);
  assert.deepEqual(await guards('UPDATE shop.customers SET name = $1', 'allow'), [true]);
  assert.deepEqual(await guards('COPY shop.orders FROM STDIN; COPY shop.orders FROM STDIN', 'allow'), [false, false]);
  assert.deepEqual(await guards('SELECT 1; COPY shop.customers FROM STDIN', 'allow'), [false, true]);
});

test('data in an encoding that hides delimiters in characters is not looked through but refused', async () => {
  const answer = await judged('COPY shop.customers FROM STDIN; COPY shop.orders FROM STDIN');
  assert.ok('guards' in answer);
  for (const encoding of ['SJIS', 'SHIFT_JIS_2004', 'BIG5', 'GBK', 'GB18030', 'UHC', 'JOHAB', 'win932']) {
    const inspector = answer.guards[0]?.copyIn(encoding);
    assert.ok(inspector && 'code' in inspector, encoding);
    const free = answer.guards[1]?.copyIn(encoding);
    assert.ok(free && !('code' in free), encoding);
  }
  for (const encoding of ['UTF8', 'LATIN1', 'EUC_JP', 'SQL_ASCII', 'WIN1252']) {
    const inspector = answer.guards[0]?.copyIn(encoding);
    assert.ok(inspector && !('code' in inspector), encoding);
  }
});
