import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, Socket } from 'node:net';
import test from 'node:test';
import { lendReads } from '../../../src/dataplane/lent-reads.ts';

test('accepted and connected sockets of the pinned Node read into one buffer, whole streams through it, and pause', async (t) => {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [Socket];
  if (client.connecting) await once(client, 'connect');
  for (const [from, to] of [
    [client, accepted],
    [accepted, client],
  ] as const) {
    const memories = new Set<ArrayBufferLike>();
    const got: Buffer[] = [];
    let size = 0;
    assert.equal(
      lendReads(to, 4096, (bytes) => {
        memories.add(bytes.buffer);
        got.push(Buffer.from(bytes));
        size += bytes.length;
        if (got.length % 50 === 0) {
          to.pause();
          setTimeout(() => to.resume(), 1);
        }
      }),
      true,
    );
    to.resume();
    const sent = Buffer.from(Array.from({ length: 1_000_000 }, (_, n) => n % 251));
    from.write(sent);
    while (size < sent.length) await new Promise((resolve) => setTimeout(resolve, 2));
    assert.ok(Buffer.concat(got).equals(sent));
    assert.equal(memories.size, 1);
    assert.equal(
      lendReads(to, 4096, () => undefined),
      false,
      'once only',
    );
  }
  const closed = once(accepted, 'close');
  client.destroy();
  await closed;
});

test('a socket that is not connected is left alone', () => {
  assert.equal(
    lendReads(new Socket(), 4096, () => undefined),
    false,
  );
});
