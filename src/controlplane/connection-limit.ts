import type { Server, Socket } from 'node:net';

/**
 * Ends connections beyond `allowed(address)` at once per address, so that one peer who opens many and says nothing cannot take the
 * places of all others.
 */
export function limitConnections(server: Server, allowed: (address: string) => number): void {
  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    const count = (open.get(address) ?? 0) + 1;
    if (count > allowed(address)) {
      socket.destroy();
      return;
    }
    open.set(address, count);
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1;
      if (left > 0) open.set(address, left);
      else open.delete(address);
    });
  });
}
