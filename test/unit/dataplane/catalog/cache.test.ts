import assert from 'node:assert/strict';
import test from 'node:test';
import { CatalogCache, type CatalogChange, CatalogError } from '../../../../src/dataplane/catalog/index.ts';

/** A target whose catalog holds nothing but schemas; it counts its connections and can be made slow or broken. */
class FakeTarget {
  schemas = ['public'];
  opened = 0;
  closed = 0;
  broken = false;
  gate: Promise<void> | undefined;

  open = async () => {
    this.opened++;
    const seen = JSON.stringify(this.schemas);
    await this.gate;
    if (this.broken) throw new Error('connection refused');
    return {
      query: async (sql: string): Promise<(string | null)[][]> =>
        sql.includes('server_version_num') ? [['150000', 'shop', seen]] : [],
      close: () => {
        this.closed++;
      },
    };
  };
}

function cacheOf(target: FakeTarget) {
  const time = { now: 1_000_000 };
  const cache = new CatalogCache({ connection: 'shop', open: target.open, maxAgeSeconds: 60, clock: () => time.now });
  const changes: CatalogChange[] = [];
  cache.on('changed', (change) => changes.push(change));
  return { cache, changes, time };
}

test('the first use reads, later ones do not until the snapshot is too old', async () => {
  const target = new FakeTarget();
  const { cache, changes, time } = cacheOf(target);
  assert.equal(cache.snapshot, undefined);
  const first = await cache.current();
  time.now += 59_999;
  assert.equal(await cache.current(), first);
  assert.equal(target.opened, 1);
  time.now += 1;
  assert.equal(await cache.current(), first, 'an unchanged catalog stays the same object');
  assert.equal(target.opened, 2);
  assert.equal(target.closed, 2);
  assert.deepEqual(
    changes.map(({ reason, previous }) => [reason, previous]),
    [['connect', undefined]],
  );
});

test('a new version is announced with the old one and the reason', async () => {
  const target = new FakeTarget();
  const { cache, changes } = cacheOf(target);
  const first = await cache.current();
  target.schemas = ['public', 'shop'];
  const second = await cache.refresh('ddl');
  assert.notEqual(second.version, first.version);
  assert.deepEqual(changes.at(-1), { previous: first, current: second, reason: 'ddl' });
});

test('many who ask at once share one read', async () => {
  const target = new FakeTarget();
  const { cache } = cacheOf(target);
  const all = await Promise.all(Array.from({ length: 20 }, () => cache.current()));
  assert.equal(new Set(all).size, 1);
  assert.equal(target.opened, 1);
});

test('who reports a change while a read is under way gets a read that began after it, shared with others', async () => {
  const target = new FakeTarget();
  const { cache } = cacheOf(target);
  let release = () => {};
  target.gate = new Promise((resolve) => {
    release = resolve;
  });
  const early = cache.current();
  target.schemas = ['public', 'late'];
  const late = [cache.refresh('ddl'), cache.refresh('mismatch'), cache.current()];
  release();
  assert.ok(!(await early).schemas.has('late'));
  for (const snapshot of await Promise.all(late)) assert.ok(snapshot.schemas.has('late'));
  assert.equal(target.opened, 2);
  assert.ok((await cache.current()).schemas.has('late'));
  assert.equal(target.opened, 2);
});

test('an invalidated snapshot is not used again', async () => {
  const target = new FakeTarget();
  const { cache } = cacheOf(target);
  await cache.current();
  cache.invalidate();
  await cache.current();
  assert.equal(target.opened, 2);
});

test('a catalog that cannot be read is an error, and an outdated one is not used in its stead', async () => {
  const target = new FakeTarget();
  const { cache, time } = cacheOf(target);
  const unavailable = (error: unknown): boolean =>
    error instanceof CatalogError &&
    error.code === 'ERR_DATAPLANE_CATALOG_UNAVAILABLE' &&
    /connection refused/.test(error.message);
  const first = await cache.current();
  target.broken = true;
  assert.equal(await cache.current(), first, 'a young one needs no read');
  await assert.rejects(cache.refresh('ddl'), unavailable);
  await assert.rejects(cache.current(), unavailable);
  assert.equal(cache.snapshot, first);
  target.broken = false;
  assert.equal(await cache.current(), first);
  time.now += 60_000;
  target.broken = true;
  await assert.rejects(cache.current(), unavailable);
});

test('a closed cache reads no more', async () => {
  const target = new FakeTarget();
  const { cache, time } = cacheOf(target);
  cache.start();
  await cache.current();
  await cache.close();
  time.now += 60_000;
  await assert.rejects(
    cache.current(),
    (error) => error instanceof CatalogError && error.code === 'ERR_DATAPLANE_CATALOG_CLOSED',
  );
  assert.equal(target.opened, 1);
});

test('the clock refreshes by itself, and its failures are reported', async (context) => {
  context.mock.timers.enable({ apis: ['setInterval'] });
  const target = new FakeTarget();
  const { cache, changes } = cacheOf(target);
  cache.start();
  const changed = new Promise((resolve) => cache.once('changed', resolve));
  context.mock.timers.tick(60_000);
  await changed;
  assert.equal(changes[0]?.reason, 'clock');
  // The event comes from inside the read; let it end.
  await new Promise((resolve) => setImmediate(resolve));
  target.broken = true;
  const failed = new Promise((resolve) => cache.once('failed', resolve));
  context.mock.timers.tick(60_000);
  assert.match(String(await failed), /connection refused/);
  await cache.close();
});
