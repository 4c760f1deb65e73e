import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

type Internals = Record<symbol, unknown>;

interface StreamHandle {
  useUserBuffer(buffer: Buffer): void;
}

/**
 * Lets a plain TCP socket read into one buffer again and again, in place of a fresh one of 64 KiB for every read, which costs more than
 * the read itself. Node offers that for sockets one connects oneself (`onread`, https://nodejs.org/api/net.html#new-netsocketoptions), not
 * for those a server accepts, so the same is set up on the socket's own fields. TLS sockets, and a Node whose fields are called otherwise,
 * go on with `data` events.
 *
 * @param take gets the bytes of each read, on loan: after it has returned they are overwritten at the next read.
 * @returns false when nothing was changed.
 */
export function lendReads(socket: Socket, size: number, take: (bytes: Buffer) => void): boolean {
  if (socket instanceof TLSSocket || !(socket instanceof Socket)) return false;
  const internals = socket as unknown as Internals;
  const [handleAt, bufferAt, callbackAt, generatorAt] = ['kHandle', 'kBuffer', 'kBufferCb', 'kBufferGen'].map((name) =>
    Object.getOwnPropertySymbols(socket).find(({ description }) => description === name),
  );
  if (!handleAt || !bufferAt || !callbackAt || !generatorAt) return false;
  const handle = internals[handleAt];
  if (!isHandle(handle) || internals[bufferAt] !== null) return false;
  const buffer = Buffer.allocUnsafeSlow(size);
  internals[bufferAt] = buffer;
  internals[generatorAt] = null;
  internals[callbackAt] = (bytes: number): boolean => {
    take(buffer.subarray(0, bytes));
    return true;
  };
  handle.useUserBuffer(buffer);
  return true;
}

function isHandle(handle: unknown): handle is StreamHandle {
  return typeof handle === 'object' && handle !== null && 'useUserBuffer' in handle;
}
