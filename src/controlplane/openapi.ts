import { writeFile } from 'node:fs/promises';
import { createApprovals } from '../approval/index.ts';
import { MetricsRegistry } from './metrics.ts';
import type { ControlPlaneOptions } from './ports.ts';
import { buildServer } from './server.ts';

/** Ports that answer nothing: the description of the API needs its routes, not what is behind them. */
function unplugged(): ControlPlaneOptions {
  const never = (): never => {
    throw new Error('the API is only described here');
  };
  const rejects = async (): Promise<never> => never();
  const store = {
    create: rejects,
    get: rejects,
    list: rejects,
    findPending: rejects,
    findUsable: rejects,
    replace: rejects,
    consume: rejects,
    due: rejects,
  };
  const sink = { append: rejects, conceal: never };
  const settings = { expireSeconds: 1, grantSeconds: 1, reasonMinLength: 1 };
  const quiet = (): void => undefined;
  return {
    identity: () => ({ verifyToken: rejects }),
    policy: never,
    approvals: createApprovals({ store, sink, clock: Date.now, settings }),
    sessionIndex: { listSessions: rejects, showSession: rejects },
    sessions: { list: never, terminate: rejects },
    credentials: { put: rejects, get: rejects, revoke: rejects, listFor: rejects, prune: rejects },
    connections: never,
    ledger: { status: rejects, read: rejects },
    labels: { refresh: rejects, effective: rejects, written: rejects, catalog: rejects },
    proposals: { list: rejects, get: rejects, decide: rejects },
    scans: { start: rejects, progress: never },
    unmask: rejects,
    explain: rejects,
    pseudonyms: { epoch: never, rotate: rejects },
    sink,
    metrics: new MetricsRegistry(),
    health: {},
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
  };
}

/** The OpenAPI 3.1 document of the control API, as text with a final newline: the content of `schema/openapi.json`. */
export async function openapiText(): Promise<string> {
  const { server } = buildServer(unplugged());
  try {
    await server.ready();
    return `${JSON.stringify(server.swagger(), null, 2)}\n`;
  } finally {
    await server.close();
  }
}

/** Writes the description where editors and client generators look for it; a test fails while it is not up to date. */
export async function writeOpenapiFile(path: string): Promise<void> {
  await writeFile(path, await openapiText());
}
