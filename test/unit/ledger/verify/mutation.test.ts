import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { createSigner } from '../../../../src/ledger/signer.ts';
import {
  bundlePath,
  disclosurePath,
  encodeBundle,
  leafHash,
  parseBundle,
  parseCheckpoint,
  parseNote,
  rootOf,
  tilePath,
  type VerifyCode,
  verifyLog,
} from '../../../../src/ledger/verify/index.ts';
import { assertWhole, create, fill, ORIGIN, open } from '../fixture.ts';
import { Disk, MemoryStorage } from '../memory-storage.ts';

const SIZE = 700;
const FULL = bundlePath({ index: 1, width: 256 });
const PARTIAL = bundlePath({ index: 2, width: 188 });
const good = new Disk();
let vkey = '';

before(async () => {
  const storage = new MemoryStorage(good);
  ({ vkey } = await create(storage));
  const ledger = await open(storage);
  await fill(ledger, SIZE);
  await ledger.close();
  await assertWhole(storage, vkey, SIZE);
});

async function codes(disk: Disk, options: { vkey?: string; origin?: string } = {}): Promise<VerifyCode[]> {
  const verdict = await verifyLog(new MemoryStorage(disk), { vkey, origin: ORIGIN, ...options });
  assert.equal(verdict.ok, verdict.problems.length === 0);
  return [...new Set(verdict.problems.map(({ code }) => code))];
}

function edit(disk: Disk, path: string, change: (bytes: Buffer) => Buffer | undefined): void {
  const bytes = change(Buffer.from(disk.files.get(path) as Buffer));
  if (bytes === undefined) disk.files.delete(path);
  else disk.files.set(path, bytes);
}

const bundle = (disk: Disk, path: string, change: (entries: Buffer[]) => Buffer[]): void =>
  edit(disk, path, (bytes) => encodeBundle(change(parseBundle(bytes))));

const text = (disk: Disk, change: (text: string) => string): void =>
  edit(disk, 'checkpoint', (bytes) => Buffer.from(change(bytes.toString('utf8'))));

/** What whoever holds the log's key can do. */
function resign(disk: Disk, change: { size?: number; root?: Buffer; origin?: string }): void {
  const signer = createSigner(change.origin ?? ORIGIN, (disk.files.get('key.pem') as Buffer).toString('utf8'));
  edit(disk, 'checkpoint', (bytes) => signer.sign({ ...parseCheckpoint(parseNote(bytes).text), ...change }));
}

const flip =
  (at: number) =>
  (bytes: Buffer): Buffer => {
    bytes[at] = (bytes[at] as number) ^ 1;
    return bytes;
  };

/** Position of a digit inside the first entry of a bundle, so that the entry stays canonical JSON. */
const digitOf = (bytes: Buffer): number => bytes.indexOf('"stmt":') + 7;

const swap = (entries: Buffer[], a: number, b: number): Buffer[] =>
  entries.map((entry, at) => (at === a ? entries[b] : at === b ? entries[a] : entry) as Buffer);

const line = (disk: Disk, change: (lines: string[]) => string[]): void =>
  edit(disk, disclosurePath(0), (bytes) =>
    Buffer.from(`${change(bytes.toString('utf8').trimEnd().split('\n')).join('\n')}\n`),
  );

const matrix: readonly [string, VerifyCode, (disk: Disk) => void][] = [
  ['a digit in an entry of a full bundle', 'ERR_VERIFY_ENTRY_HASH', (d) => edit(d, FULL, (b) => flip(digitOf(b))(b))],
  [
    'a digit in an entry of the last bundle',
    'ERR_VERIFY_ENTRY_HASH',
    (d) => edit(d, PARTIAL, (b) => flip(digitOf(b))(b)),
  ],
  [
    'an entry replaced by another of the same number',
    'ERR_VERIFY_ENTRY_HASH',
    (d) =>
      bundle(d, FULL, (e) =>
        e.map((entry, at) => (at === 9 ? Buffer.from(entry.toString().replace('forward', 'refused')) : entry)),
      ),
  ],
  ['an entry removed', 'ERR_VERIFY_ENTRY_MISSING', (d) => bundle(d, FULL, (e) => e.filter((_, at) => at !== 7))],
  ['the last entry removed', 'ERR_VERIFY_ENTRY_MISSING', (d) => bundle(d, PARTIAL, (e) => e.slice(0, -1))],
  ['an entry doubled', 'ERR_VERIFY_ENTRY_SURPLUS', (d) => bundle(d, FULL, (e) => [...e.slice(0, 8), ...e.slice(7)])],
  [
    'an entry doubled in place of its neighbour',
    'ERR_VERIFY_SEQUENCE',
    (d) => bundle(d, FULL, (e) => e.map((entry, at) => (at === 8 ? (e[7] as Buffer) : entry))),
  ],
  ['two entries swapped', 'ERR_VERIFY_SEQUENCE', (d) => bundle(d, FULL, (e) => swap(e, 3, 200))],
  ['a bundle removed', 'ERR_VERIFY_BUNDLE_MISSING', (d) => edit(d, FULL, () => undefined)],
  ['a bundle cut off', 'ERR_VERIFY_BUNDLE', (d) => edit(d, FULL, (b) => b.subarray(0, -1))],
  ['a bit in a leaf tile', 'ERR_VERIFY_TILE', (d) => edit(d, tilePath(0, { index: 1, width: 256 }), flip(40))],
  ['a bit in the last leaf tile', 'ERR_VERIFY_TILE', (d) => edit(d, tilePath(0, { index: 2, width: 188 }), flip(40))],
  ['a bit in an upper tile', 'ERR_VERIFY_TILE', (d) => edit(d, tilePath(1, { index: 0, width: 2 }), flip(40))],
  ['a tile removed', 'ERR_VERIFY_TILE_MISSING', (d) => edit(d, tilePath(0, { index: 0, width: 256 }), () => undefined)],
  [
    'an upper tile removed',
    'ERR_VERIFY_TILE_MISSING',
    (d) => edit(d, tilePath(1, { index: 0, width: 2 }), () => undefined),
  ],
  [
    'a tile cut off',
    'ERR_VERIFY_TILE_LENGTH',
    (d) => edit(d, tilePath(0, { index: 0, width: 256 }), (b) => b.subarray(32)),
  ],
  ['the checkpoint removed', 'ERR_VERIFY_CHECKPOINT_MISSING', (d) => edit(d, 'checkpoint', () => undefined)],
  [
    'another size, unsigned',
    'ERR_VERIFY_NOTE_SIGNATURE',
    (d) => text(d, (t) => t.replace(`\n${SIZE}\n`, `\n${SIZE - 1}\n`)),
  ],
  [
    'another root, unsigned',
    'ERR_VERIFY_NOTE_SIGNATURE',
    (d) =>
      edit(d, 'checkpoint', (b) =>
        Buffer.from(b.toString().replace(/\n[^\n]{43}=\n/, `\n${Buffer.alloc(32).toString('base64')}\n`)),
      ),
  ],
  ['another origin', 'ERR_VERIFY_ORIGIN', (d) => text(d, (t) => t.replace(`${ORIGIN}\n`, `${ORIGIN}0\n`))],
  [
    'a bit in the signature',
    'ERR_VERIFY_NOTE_SIGNATURE',
    (d) =>
      edit(d, 'checkpoint', (b) => {
        const note = parseNote(b);
        const raw = note.signatures[0]?.signature as Buffer;
        const head = Buffer.from((b.toString().split(' ').at(-1) as string).trim(), 'base64').subarray(0, 4);
        return Buffer.from(
          `${note.text}\n\u2014 ${ORIGIN} ${Buffer.concat([head, flip(9)(Buffer.from(raw))]).toString('base64')}\n`,
        );
      }),
  ],
  [
    'another key id',
    'ERR_VERIFY_NOTE_UNKNOWN_KEY',
    (d) =>
      edit(d, 'checkpoint', (b) => {
        const note = parseNote(b);
        return Buffer.from(
          `${note.text}\n\u2014 ${ORIGIN} ${Buffer.concat([Buffer.alloc(4, 1), note.signatures[0]?.signature as Buffer]).toString('base64')}\n`,
        );
      }),
  ],
  ['a smaller size, signed by the log key', 'ERR_VERIFY_ROOT', (d) => resign(d, { size: 512 })],
  ['a larger size, signed by the log key', 'ERR_VERIFY_BUNDLE_MISSING', (d) => resign(d, { size: SIZE + 1 })],
  ['another root, signed by the log key', 'ERR_VERIFY_ROOT', (d) => resign(d, { root: Buffer.alloc(32, 7) })],
  [
    'a disclosure of another value',
    'ERR_VERIFY_DISCLOSURE_FOREIGN',
    (d) =>
      line(d, (l) => [
        (l[0] as string).replace(
          /"d":\["[^"]+"/,
          `"d":["${Buffer.from('["AAAAAAAAAAAAAAAAAAAAAA","statement","select 2"]').toString('base64url')}"`,
        ),
        ...l.slice(1),
      ]),
  ],
  [
    'a disclosure under another entry',
    'ERR_VERIFY_DISCLOSURE_FOREIGN',
    (d) => line(d, (l) => [(l[0] as string).replace('"seq":0}', '"seq":1}'), ...l.slice(1)]),
  ],
  ['a line of disclosures that is none', 'ERR_VERIFY_DISCLOSURE', (d) => line(d, (l) => ['{"d":1}', ...l])],
  [
    'a disclosure that is no triple',
    'ERR_VERIFY_DISCLOSURE',
    (d) => line(d, (l) => [`{"d":["${Buffer.from('[1,2]').toString('base64url')}"],"seq":0}`, ...l]),
  ],
];

test('behind the published lines of the unfinished bundle, torn and younger disclosures are no finding; before them they are', async () => {
  const path = disclosurePath(2);
  const tail = '{"d":["AAAA"],"seq":700}\n{"d":["AAA';
  const behind = good.clone();
  edit(behind, path, (bytes) => Buffer.concat([bytes, Buffer.from(tail), Buffer.alloc(30)]));
  assert.deepEqual(await codes(behind), []);
  const before = good.clone();
  edit(before, path, (bytes) => Buffer.concat([Buffer.from('{"d":["AAA\n'), bytes]));
  assert.deepEqual(await codes(before), ['ERR_VERIFY_DISCLOSURE']);
  const full = good.clone();
  edit(full, disclosurePath(0), (bytes) => Buffer.concat([bytes, Buffer.from(tail)]));
  assert.deepEqual(await codes(full), ['ERR_VERIFY_DISCLOSURE']);
});

for (const [what, code, change] of matrix) {
  test(`${what} is found, as ${code}`, async () => {
    const disk = good.clone();
    change(disk);
    const found = await codes(disk);
    assert.equal(found[0], code, `found ${found.join(', ')}`);
    assert.ok(found.length <= 2, `found ${found.join(', ')}`);
  });
}

test('each of many bits, flipped anywhere in the public tree, is found', async () => {
  const paths = [...good.files.keys()].filter((path) => path === 'checkpoint' || path.startsWith('tile/'));
  for (const path of paths) {
    const length = (good.files.get(path) as Buffer).length;
    for (let n = 0; n < 6; n += 1) {
      const at = Math.floor(((n + 0.5) * length) / 6);
      const disk = good.clone();
      edit(disk, path, flip(at));
      assert.notDeepEqual(await codes(disk), [], `${path} byte ${at}`);
    }
  }
});

test('whatever a file is replaced by, cut to or grown by, the verdict is a finding with a code and never an exception', async () => {
  const paths = [...good.files.keys()].filter((path) => path === 'checkpoint' || path.startsWith('tile/'));
  const rubbish = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.string({ unit: 'binary', maxLength: 200 }).map((one) => Buffer.from(one)),
    fc.constantFrom('[', '{"a":', '\n').map((one) => Buffer.from(one.repeat(30_000))),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...paths),
      rubbish,
      fc.constantFrom('replace', 'cut', 'grow'),
      async (path, bytes, how) => {
        const disk = good.clone();
        const old = disk.files.get(path) as Buffer;
        const changed =
          how === 'replace'
            ? bytes
            : how === 'cut'
              ? old.subarray(0, bytes.length % old.length)
              : Buffer.concat([old, bytes]);
        if (old.equals(changed)) return;
        disk.files.set(path, Buffer.from(changed));
        const verdict = await verifyLog(new MemoryStorage(disk), { vkey, origin: ORIGIN });
        assert.equal(verdict.ok, false, `${how} ${path}`);
        assert.ok(
          verdict.problems.every(({ code, message }) => code.startsWith('ERR_VERIFY_') && message.endsWith('.')),
        );
      },
    ),
    { numRuns: 150 },
  );
  const disk = good.clone();
  const deep = [Buffer.from('['.repeat(65_000)), Buffer.from(`${'['.repeat(30_000)}${']'.repeat(30_000)}`)];
  const leaves = deep.map(leafHash);
  disk.files.set(bundlePath({ index: 0, width: 2 }), encodeBundle(deep));
  disk.files.set(tilePath(0, { index: 0, width: 2 }), Buffer.concat(leaves));
  resign(disk, { size: 2, root: rootOf(leaves) });
  assert.equal((await codes(disk))[0], 'ERR_VERIFY_ENTRY_FORMAT');
});

test('who holds the log key can rewrite the whole log; only an earlier checkpoint finds it', async () => {
  const disk = good.clone();
  const known = parseCheckpoint(parseNote(disk.files.get('checkpoint') as Buffer).text);
  const rewritten = new Disk();
  rewritten.files.set('key.pem', disk.files.get('key.pem') as Buffer);
  rewritten.files.set('vkey', disk.files.get('vkey') as Buffer);
  const signer = createSigner(ORIGIN, (disk.files.get('key.pem') as Buffer).toString('utf8'));
  rewritten.files.set('checkpoint', signer.sign({ origin: ORIGIN, size: 0, root: rootOf([]) }));
  const ledger = await open(new MemoryStorage(rewritten));
  await fill(ledger, SIZE + 5);
  await ledger.close();
  assert.deepEqual(await codes(rewritten), []);
  const forked = await verifyLog(new MemoryStorage(rewritten), { vkey, origin: ORIGIN, known });
  assert.deepEqual(
    forked.problems.map(({ code }) => code),
    ['ERR_VERIFY_FORKED'],
  );

  const cut = good.clone();
  resign(cut, {
    size: 256,
    root: rootOf(parseBundle(cut.files.get(bundlePath({ index: 0, width: 256 })) as Buffer).map(leafHash)),
  });
  cut.files.set(
    tilePath(1, { index: 0, width: 1 }),
    (cut.files.get(tilePath(1, { index: 0, width: 2 })) as Buffer).subarray(0, 32),
  );
  assert.deepEqual(await codes(cut), []);
  const shrunk = await verifyLog(new MemoryStorage(cut), { vkey, origin: ORIGIN, known });
  assert.deepEqual(
    shrunk.problems.map(({ code }) => code),
    ['ERR_VERIFY_SHRUNK'],
  );

  const grown = await verifyLog(new MemoryStorage(good), { vkey, origin: ORIGIN, known });
  assert.equal(grown.ok, true);
});

test('entries of another log, of a wrong number, out of time or not canonical are found even when they are properly signed', async () => {
  const pem = (good.files.get('key.pem') as Buffer).toString('utf8');
  const entry = (seq: number, more: Record<string, unknown> = {}) =>
    JSON.stringify({ k: 'heartbeat', log: ORIGIN, seq, t: '2026-01-01T00:00:00.000Z', v: 1, ...more });
  const cases: [VerifyCode, string[]][] = [
    ['ERR_VERIFY_ENTRY_ORIGIN', [entry(0), entry(1, { log: 'other' })]],
    ['ERR_VERIFY_SEQUENCE', [entry(0), entry(2)]],
    ['ERR_VERIFY_TIME', [entry(0), entry(1, { t: '2025-12-31T23:59:54.999Z' })]],
    ['ERR_VERIFY_ENTRY_FORMAT', [entry(0), `${entry(1)} `]],
    ['ERR_VERIFY_ENTRY_FORMAT', [entry(0), 'hello']],
  ];
  for (const [code, texts] of cases) {
    const disk = new Disk();
    const entries = texts.map((one) => Buffer.from(one));
    const leaves = entries.map(leafHash);
    disk.files.set(bundlePath({ index: 0, width: 2 }), encodeBundle(entries));
    disk.files.set(tilePath(0, { index: 0, width: 2 }), Buffer.concat(leaves));
    disk.files.set('checkpoint', createSigner(ORIGIN, pem).sign({ origin: ORIGIN, size: 2, root: rootOf(leaves) }));
    assert.deepEqual(await codes(disk), [code]);
  }
});

test('the auditor who holds another key, or asks for another log, is told so', async () => {
  assert.deepEqual(await codes(good, { origin: 'other' }), ['ERR_VERIFY_ORIGIN']);
  assert.deepEqual(await codes(good, { vkey: 'nonsense' }), ['ERR_VERIFY_VKEY']);
  const other = createSigner(ORIGIN, (await import('../../../../src/ledger/signer.ts')).generateLogKey()).vkey;
  assert.deepEqual(await codes(good, { vkey: other }), ['ERR_VERIFY_NOTE_UNKNOWN_KEY']);
});

test('a reader that keeps full tiles only can be verified as well', async () => {
  const disk = good.clone();
  const more = new MemoryStorage(disk);
  const ledger = await open(more);
  const old = disk.files.get('checkpoint') as Buffer;
  await fill(ledger, 100);
  await ledger.close();
  disk.files.set('checkpoint', old);
  for (const path of [...disk.files.keys()])
    if (path.includes('.p/') && !path.startsWith('tile/1/')) disk.files.delete(path);
  disk.files.set(tilePath(1, { index: 0, width: 2 }), good.files.get(tilePath(1, { index: 0, width: 2 })) as Buffer);
  assert.deepEqual(await codes(disk), []);
});
