import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { initLedger, openLedger } from '../../src/ledger/index.ts';
import {
  disclosurePath,
  parseDisclosure,
  parseDisclosureLine,
  parseEntry,
  verifyLog,
} from '../../src/ledger/verify/index.ts';
import { createLedgerFiles } from '../../src/storage/ledger-files.ts';

const ORIGIN = 'gw.example.com/evidence/1';
const CHILD = join(import.meta.dirname, 'ledger-child.ts');
const root = mkdtempSync(join(tmpdir(), 'gatehouse-ledger-'));
after(() => rmSync(root, { recursive: true, force: true }));

/** A child that appends; `told` is what it has said until now: index → number. */
function start(
  folder: string,
  first: number,
): { child: ChildProcess; told: Map<number, number>; said: () => string; ended: Promise<number | null> } {
  const child = spawn(process.execPath, [CHILD, folder, ORIGIN, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const told = new Map<number, number>();
  let said = '';
  let rest = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk;
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const [index, number] = line.split(' ').map(Number);
      if (index !== undefined && number !== undefined && Number.isInteger(index)) told.set(index, number);
    }
  });
  // `close` comes after the last byte of stdout was read.
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  return { child, told, said: () => said, ended };
}

async function until(done: () => boolean, what: string): Promise<void> {
  const from = performance.now();
  while (!done()) {
    assert.ok(performance.now() - from < 20_000, `waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Opens after the crash and compares everything that anybody was told. */
async function assertSurvived(folder: string, vkey: string, told: ReadonlyMap<number, number>): Promise<number> {
  const storage = createLedgerFiles(folder);
  const ledger = await openLedger({ storage, origin: ORIGIN, clock: Date.now });
  await ledger.close();
  const numbers = new Map<number, unknown>();
  const verdict = await verifyLog(storage, {
    vkey,
    origin: ORIGIN,
    onEntry: (index, bytes) => numbers.set(index, parseEntry(bytes).members['stmt']),
  });
  assert.deepEqual(verdict.problems, []);
  assert.equal(verdict.disclosed, verdict.concealed);
  for (const [index, number] of told) assert.equal(numbers.get(index), number, `entry ${index}`);
  assert.equal(new Set(numbers.values()).size, numbers.size, 'no record stands twice');
  return verdict.entries;
}

test('kill -9 under load, again and again, loses no record that was acknowledged', async () => {
  const folder = join(root, 'killed');
  const { vkey } = await initLedger({ storage: createLedgerFiles(folder), origin: ORIGIN });
  const told = new Map<number, number>();
  for (let round = 0; round < 6; round += 1) {
    const run = start(folder, round * 1_000_000);
    const wanted = 50 + round * 137;
    await until(() => run.told.size > wanted, 'acknowledged records');
    run.child.kill('SIGKILL');
    await run.ended;
    for (const [index, number] of run.told) told.set(index, number);
    const entries = await assertSurvived(folder, vkey, told);
    assert.ok(entries >= told.size);
  }
  const line = readFileSync(join(folder, disclosurePath(0)), 'utf8').split('\n')[0] as string;
  const disclosed = parseDisclosure(parseDisclosureLine(line).disclosures[0] as string);
  assert.match(String(disclosed.value), /^select \d+ -- /);
});

test('two processes cannot write one log; the lock of a killed one does not stand in the way', async () => {
  const folder = join(root, 'locked');
  const { vkey } = await initLedger({ storage: createLedgerFiles(folder), origin: ORIGIN });
  const first = start(folder, 0);
  await until(() => first.told.size > 3, 'the first writer');
  const open = () => openLedger({ storage: createLedgerFiles(folder), origin: ORIGIN, clock: Date.now });
  await assert.rejects(open(), (error: Error & { code: string }) => {
    assert.equal(error.code, 'ERR_LEDGER_LOCKED');
    assert.match(error.message, new RegExp(`process ${first.child.pid}, running since 2\\d{3}-`));
    return true;
  });
  await assert.rejects(initLedger({ storage: createLedgerFiles(folder), origin: ORIGIN }), {
    code: 'ERR_LEDGER_LOCKED',
  });
  first.child.kill('SIGKILL');
  await first.ended;
  assert.ok(existsSync(join(folder, 'lock')), 'the dead one left its name');
  const second = await open();
  await assert.rejects(open(), { code: 'ERR_LEDGER_LOCKED' }, 'within one process as well');
  await second.close();
  await assertSurvived(folder, vkey, first.told);
});

test('a full disk stops the ledger before anything is told; with room it opens whole again', async (context) => {
  const folder = join(root, 'tiny');
  mkdirSync(folder);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    context.skip('this user may not mount a small file system');
    return;
  }
  try {
    const { vkey } = await initLedger({ storage: createLedgerFiles(folder), origin: ORIGIN });
    const run = start(folder, 0);
    assert.equal(await run.ended, 7, run.said());
    assert.match(run.said(), /failed ERR_LEDGER_UNAVAILABLE/);
    assert.ok(run.told.size > 10);
    // The space that a segment had set aside is free again: that may be room enough to open, or not.
    const reopened = await openLedger({ storage: createLedgerFiles(folder), origin: ORIGIN, clock: Date.now }).catch(
      (error: { readonly code?: string }) => error,
    );
    if ('append' in reopened) await reopened.close().catch(() => undefined);
    else assert.equal(reopened.code, 'ERR_LEDGER_STORAGE');
    execFileSync('mount', ['-o', 'remount,size=8m', folder]);
    await assertSurvived(folder, vkey, run.told);
  } finally {
    execFileSync('umount', ['-l', folder]); // a writer thread may still be letting go of its last file
  }
});
