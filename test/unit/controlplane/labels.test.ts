import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { StandingProposal } from '../../../src/controlplane/index.ts';
import type { LabelProposal } from '../../../src/model/label-proposal.ts';
import { openStorage } from '../../../src/storage/index.ts';
import { type Bench, controlBench, token } from './support.ts';

const GONE = 'gone';

/** Real storage; what stands in the catalog is made up. */
async function bench(t: TestContext): Promise<Bench & { ids: Record<string, string>; inForce: Set<string> }> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-proposals-'));
  const storage = await openStorage(folder);
  t.after(async () => {
    await storage.close();
    await rm(folder, { recursive: true, force: true });
  });
  const inForce = new Set<string>();
  const standing = (proposal: LabelProposal): StandingProposal => ({
    proposal,
    exists: proposal.column !== GONE,
    inForce: inForce.has(proposal.id),
  });
  await storage.proposals.add(
    (
      [
        ['shop', 'email', 100],
        ['shop', 'phone', 10],
        ['shop', GONE, 50],
        ['crm', 'email', 50],
      ] as const
    ).map(([connection, column, rows]) => ({
      connection,
      schema: 'shop',
      relation: 't',
      column,
      label: 'pii.contact.email',
      at: Date.UTC(2026, 10, 1),
      evidence: { source: 'detected', detector: 'email', hits: rows, rows },
    })),
  );
  const made = await controlBench(t, {
    proposals: {
      list: async (filter) => (await storage.proposals.list(filter)).map(standing),
      get: async (id) => {
        const found = await storage.proposals.get(id);
        return found && standing(found);
      },
      decide: async (id, state, decision) => {
        const found = await storage.proposals.decide(id, state, decision);
        return found && standing(found);
      },
    },
  });
  const all = await storage.proposals.list({});
  const ids = Object.fromEntries(all.map(({ id, connection, column }) => [`${connection}.${column}`, id]));
  return Object.assign(made, { ids, inForce });
}

const URL = '/v1/labels/proposals';
const admin = () => token('ada', { groups: ['admins'] });
const auditor = () => token('otto', { groups: ['auditors'] });
const analyst = () => token('ana', { groups: ['analysts'] });

interface Item {
  readonly connection: string;
  readonly column: string;
  readonly confidence: number;
  readonly state: string;
}
const items = (body: Record<string, unknown>): string[] =>
  (body['items'] as Item[]).map(({ connection, column, confidence }) => `${connection}.${column} ${confidence}`);

test('proposals are seen by who may view or manage the connection, the surest first', async (t) => {
  const { call, ids } = await bench(t);
  const seen = await call('GET', URL, { token: await auditor() });
  assert.equal(seen.status, 200, seen.text);
  assert.deepEqual(items(seen.body), ['shop.email 96', 'shop.gone 92', 'crm.email 92', 'shop.phone 72']);
  const narrow = await call('GET', `${URL}?connection=shop&confidence=90&limit=1`, { token: await admin() });
  assert.deepEqual([items(narrow.body), narrow.body['total']], [['shop.email 96'], 2]);
  for (const url of [URL, `${URL}?connection=shop`, `${URL}/${ids['shop.email']}`, `${URL}/lbl_none`])
    assert.equal((await call('GET', url, { token: await analyst() })).status, 404, url);
  assert.equal((await call('GET', URL)).status, 401);
  const one = await call('GET', `${URL}/${ids['shop.phone']}`, { token: await auditor() });
  assert.deepEqual([one.status, one.body['column'], one.body['firstSeen']], [200, 'phone', '2026-11-01T00:00:00.000Z']);
});

test('who accepts and why is recorded before it counts, and what is not in force stays to be done', async (t) => {
  const { call, ids, sink, inForce } = await bench(t);
  const id = ids['shop.email'] ?? '';
  const body = { ids: [id], reason: 'looks right', file: 'labels/shop.yaml', from: `sha256:${'0'.repeat(64)}` };
  for (const who of [analyst, auditor])
    assert.ok([403, 404].includes((await call('POST', `${URL}/accept`, { token: await who(), body })).status));
  assert.equal(sink.records.filter(({ kind }) => kind === 'label.changed').length, 0);
  const done = await call('POST', `${URL}/accept`, { token: await admin(), body });
  assert.equal(done.status, 200, done.text);
  const [record, ...others] = sink.records.filter(({ kind }) => kind === 'label.changed');
  assert.deepEqual(others, []);
  assert.deepEqual(record?.clear, {
    change: 'accepted',
    connection: 'shop',
    label: 'pii.contact.email',
    confidence: 96,
    proposal: id,
    before: 'open',
    from: body.from,
    assurance: 'token',
    door: 'api',
  });
  const hidden = JSON.stringify(record?.hidden?.map(({ encoded }) => Buffer.from(encoded, 'base64url').toString()));
  for (const word of ['shop.t.email', 'looks right', 'idp|ada', 'labels/shop.yaml'])
    assert.ok(hidden.includes(word), word);
  const open = async () => items((await call('GET', URL, { token: await admin() })).body);
  assert.ok((await open()).includes('shop.email 96'), 'its file is not in force yet');
  inForce.add(id);
  assert.ok(!(await open()).includes('shop.email 96'));
  inForce.add(ids['shop.phone'] ?? '');
  assert.ok(!(await open()).includes('shop.phone 72'), 'labelled by hand meanwhile');
});

test('a dismissed proposal says by whom and why', async (t) => {
  const { call, ids } = await bench(t);
  const id = ids['shop.phone'] ?? '';
  assert.equal(
    (await call('POST', `${URL}/dismiss`, { token: await admin(), body: { ids: [id], reason: ' ' } })).status,
    400,
  );
  const done = await call('POST', `${URL}/dismiss`, { token: await admin(), body: { ids: [id], reason: 'test data' } });
  assert.equal(done.status, 200, done.text);
  const listed = await call('GET', `${URL}?state=dismissed`, { token: await admin() });
  const [{ decision } = { decision: undefined }] = listed.body['items'] as {
    decision?: { by: string; reason: string };
  }[];
  assert.deepEqual([decision?.by, decision?.reason], ['ada@example.org', 'test data']);
});

test('one that may not be decided about, or whose column is gone, stops them all', async (t) => {
  const { call, ids, sink } = await bench(t);
  const accept = async (names: readonly string[]) =>
    call('POST', `${URL}/accept`, {
      token: await admin(),
      body: { ids: names.map((name) => ids[name] ?? name), reason: 'all of them' },
    });
  assert.equal((await accept(['shop.email', 'lbl_none'])).status, 404);
  const gone = await accept(['shop.email', 'shop.gone']);
  assert.equal(gone.status, 409);
  assert.match(String(gone.body['detail']), /shop\.t\.gone is not there any more/);
  assert.equal(sink.records.filter(({ kind }) => kind === 'label.changed').length, 0);
});

test('what cannot be recorded is not decided', async (t) => {
  const { call, ids, sink } = await bench(t);
  sink.failing = true;
  const body = { ids: [ids['shop.email']], reason: 'test data' };
  assert.equal((await call('POST', `${URL}/dismiss`, { token: await admin(), body })).status, 503);
  assert.equal((await call('GET', `${URL}/${ids['shop.email']}`, { token: await admin() })).body['state'], 'open');
});
