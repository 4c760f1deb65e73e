import { timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface LoopbackRedirect extends AsyncDisposable {
  /** To be sent as `redirect_uri`. */
  readonly uri: string;
  /** The address the browser came back to; rejects with the signal's reason. */
  readonly answer: Promise<URL>;
}

const PATH = '/callback';

/**
 * Waits on a random port of 127.0.0.1 for one redirect that carries our state. Whatever else asks there (another page of
 * the browser, a second try) gets an error and changes nothing. Nothing of the request is shown in the answer.
 */
export async function receiveRedirect(state: string, signal: AbortSignal): Promise<LoopbackRedirect> {
  const { promise: answer, resolve, reject } = Promise.withResolvers<URL>();
  answer.catch(() => undefined); // the caller may fail before he awaits it
  let origin = '';
  let used = false;
  const server = createServer((request, response) => {
    const url = URL.parse(request.url ?? '', origin);
    const isOurs =
      request.method === 'GET' &&
      url !== null &&
      url.pathname === PATH &&
      `http://${request.headers.host}` === origin &&
      isEqual(url.searchParams.get('state') ?? '', state);
    const accepted = isOurs && !used;
    response.writeHead(accepted ? 200 : 400, {
      'content-type': 'text/plain; charset=utf-8',
      'content-security-policy': "default-src 'none'",
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      connection: 'close',
    });
    if (!accepted) {
      response.end('This address is waiting for another login. Start again with: gatehouse login\n');
      return;
    }
    used = true;
    response.end('Back to your terminal: gatehouse goes on there. You can close this window.\n', () => resolve(url));
  });
  server.requestTimeout = 10_000;
  await new Promise<void>((listening, failed) => {
    server.once('error', failed);
    server.listen(0, '127.0.0.1', listening);
  });
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const onAbort = (): void => reject(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  return {
    uri: `${origin}${PATH}`,
    answer,
    [Symbol.asyncDispose]: async () => {
      signal.removeEventListener('abort', onAbort);
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

function isEqual(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
