import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import test from 'node:test';

/** The map of the house: which room may import which. A room is the first folder below src; a few sub-rooms are named. */
const mayImport: Record<string, readonly string[]> = {
  model: [],
  wire: ['model'],
  statement: ['model'],
  identity: ['model'],
  policy: ['model'],
  approval: ['model'],
  masking: ['model'],
  'ledger/verify': ['model'],
  ledger: ['model', 'ledger/verify'],
  config: ['model', 'policy', 'masking'],
  dataplane: ['model', 'wire', 'statement', 'identity', 'policy', 'approval', 'masking', 'ledger'],
  'controlplane/contract': ['model'],
  controlplane: ['model', 'controlplane/contract', 'identity', 'policy', 'approval', 'ledger'],
  storage: ['model', 'identity', 'approval', 'ledger', 'ledger/verify', 'controlplane/contract'],
  // wire and dataplane (its target door) for `gatehouse connect --listen`, which speaks PostgreSQL on both sides.
  cli: [
    'model',
    'controlplane/contract',
    'ledger/verify',
    'identity',
    'config',
    'policy',
    'gateway',
    'demo',
    'wire',
    'dataplane',
  ],
  demo: ['model', 'gateway', 'config', 'controlplane/contract', 'ledger/verify', 'cli'],
  gateway: [
    'model',
    'wire',
    'statement',
    'identity',
    'policy',
    'approval',
    'masking',
    'ledger',
    'ledger/verify',
    'config',
    'dataplane',
    'controlplane',
    'controlplane/contract',
    'storage',
  ],
};

const src = resolve(import.meta.dirname, '../src');
const rooms = Object.keys(mayImport).sort((a, b) => b.length - a.length);

function roomOf(file: string): string {
  const path = relative(src, file).split(sep).join('/');
  const room = rooms.find((name) => path === `${name}.ts` || path.startsWith(`${name}/`));
  assert.ok(room, `${path} lies in no room of the map`);
  return room;
}

function* sourceFiles(): Generator<string> {
  for (const entry of readdirSync(src, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && /\.tsx?$/.test(entry.name)) yield join(entry.parentPath, entry.name);
  }
}

function* imports(file: string): Generator<string> {
  const text = readFileSync(file, 'utf8');
  for (const match of text.matchAll(
    /(?:^|\n)\s*(?:import|export)[^;'"]*?from\s*['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)|new URL\(\s*['"](\.[^'"]+\.ts)['"]/g,
  )) {
    yield (match[1] ?? match[2] ?? match[3]) as string;
  }
}

test('rooms import only what the map of the house allows', () => {
  for (const file of sourceFiles()) {
    const from = roomOf(file);
    for (const specifier of imports(file)) {
      if (!specifier.startsWith('.')) continue;
      const to = roomOf(resolve(dirname(file), specifier));
      assert.ok(to === from || mayImport[from]?.includes(to), `${relative(src, file)}: ${from} may not import ${to}`);
    }
  }
});

test('a room is entered by its door', () => {
  for (const file of sourceFiles()) {
    const from = roomOf(file);
    for (const specifier of imports(file)) {
      if (!specifier.startsWith('.')) continue;
      const target = resolve(dirname(file), specifier);
      const to = roomOf(target);
      if (to === from || to === 'model' || to === 'gateway') continue;
      assert.match(
        target.split(sep).join('/'),
        /\/index\.ts$/,
        `${relative(src, file)} reaches into ${to} past its index.ts: ${specifier}`,
      );
    }
  }
});

test('pure rooms touch no socket, file, clock or process', () => {
  const impure = /^node:(net|tls|http|https|http2|fs|fs\/promises|dgram|child_process|worker_threads)$/;
  for (const file of sourceFiles()) {
    const room = roomOf(file);
    if (!['model', 'wire', 'policy', 'masking', 'approval', 'ledger/verify'].includes(room)) continue;
    for (const specifier of imports(file)) {
      assert.doesNotMatch(specifier, impure, `${relative(src, file)}: the pure room ${room} imports ${specifier}`);
    }
  }
});

test('the verifier could leave the house with no edit', () => {
  for (const file of sourceFiles()) {
    if (roomOf(file) !== 'ledger/verify') continue;
    for (const specifier of imports(file)) {
      assert.ok(
        specifier === 'node:crypto' || specifier.startsWith('.'),
        `${relative(src, file)} imports ${specifier}`,
      );
    }
  }
});
