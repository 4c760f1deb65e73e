import assert from 'node:assert/strict';
import { conceal, initLedger, type Ledger, type LedgerStorage, openLedger } from '../../../src/ledger/index.ts';
import { type Verdict, verifyLog } from '../../../src/ledger/verify/index.ts';
import type { AuditRecord } from '../../../src/model/record.ts';

export const ORIGIN = 'gw.example.com/evidence/1';
/** A quiet clock: 2026-07-25T17:20:00Z. */
export const NOW = 1_785_000_000_000;

/** Checkpoints only when asked for. */
export const MANUAL = { milliseconds: 1e8, entries: 1e9, rest: 1e8 };

export async function open(storage: LedgerStorage, pace: Partial<typeof MANUAL> = MANUAL): Promise<Ledger> {
  return await openLedger({ storage, origin: ORIGIN, clock: () => NOW, pace });
}

export async function create(storage: LedgerStorage): Promise<{ vkey: string }> {
  return await initLedger({ storage, origin: ORIGIN });
}

/** What the records of a class share. */
const SHARED = { decision: 'forward', policies: ['readers'] };
const SHARED_HIDDEN = [conceal('tables', ['shop.customers'])];

/** Every second one shares with others what it can. */
export function recordOf(ledger: Ledger, n: number): AuditRecord {
  const own = { kind: 'query', time: NOW + n, session: `ses_${n % 3}` } as const;
  const statement = ledger.conceal('statement', `select ${n} -- Straße`);
  if (n % 2 === 1)
    return { ...own, clear: { stmt: n }, hidden: [statement], sharedClear: SHARED, sharedHidden: SHARED_HIDDEN };
  return { ...own, clear: { ...SHARED, stmt: n }, hidden: [statement, ledger.conceal('tables', ['shop.customers'])] };
}

/** Appends records numbered on from the ledger's size, all at once. */
export async function fill(ledger: Ledger, count: number): Promise<void> {
  const first = ledger.size;
  const recorded = await Promise.all(
    Array.from({ length: count }, (_, n) => ledger.append(recordOf(ledger, first + n))),
  );
  assert.deepEqual(
    recorded.map(({ index }) => index),
    Array.from({ length: count }, (_, n) => first + n),
  );
}

export async function verify(storage: LedgerStorage, vkey: string): Promise<Verdict> {
  return await verifyLog(storage, { vkey, origin: ORIGIN });
}

/** Everything verifies, and there are so many entries, each with its two disclosed values. */
export async function assertWhole(storage: LedgerStorage, vkey: string, entries: number): Promise<void> {
  const verdict = await verify(storage, vkey);
  assert.deepEqual(verdict.problems, []);
  assert.equal(verdict.ok, true);
  assert.equal(verdict.entries, entries);
  assert.equal(verdict.concealed, 2 * entries);
  assert.equal(verdict.disclosed, 2 * entries);
}
