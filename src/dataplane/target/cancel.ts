import { frontend } from '../../wire/postgres/index.ts';
import { Deadline } from './deadline.ts';
import { dial } from './dial.ts';
import { TargetError } from './errors.ts';
import type { BackendKey, TargetOptions } from './options.ts';

/**
 * Asks the server to cancel what the session of `backendKey` runs, over a connection of its own with the same TLS mode.
 * Resolves when the server has taken the request (it closes the connection; whether anything was cancelled it never says).
 * Rejects with `TargetError`.
 * https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
 */
export async function cancelTarget(options: TargetOptions, backendKey: BackendKey): Promise<void> {
  using deadline = new Deadline(options);
  const { socket } = await dial(options, deadline);
  deadline.enter('cancelling a query');
  await new Promise<void>((resolve, reject) => {
    let failure: Error | undefined;
    // A reset instead of a clean end is how some servers and proxies close: the request was taken all the same.
    socket.once('error', (error) => {
      if (error instanceof TargetError) failure = error;
    });
    socket.once('end', () => socket.destroy());
    socket.once('close', () => (failure ? reject(failure) : resolve()));
    socket.on('data', () => socket.destroy());
    socket.write(frontend.cancelRequest(backendKey.pid, backendKey.key));
    socket.resume();
  });
}
