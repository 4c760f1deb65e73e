import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createMasterKey, loadMasterKey, sealSecret } from '../identity/index.ts';
import { initLedger } from '../ledger/index.ts';
import type { GatewayConfig } from '../model/config.ts';
import { createLedgerFiles, openStorage } from '../storage/index.ts';

/** Where the embedded state of one gateway node lies. */
export interface StatePaths {
  readonly folder: string;
  readonly masterKey: string;
  readonly ledger: string;
  readonly index: string;
}

export function statePaths(config: GatewayConfig): StatePaths {
  return {
    folder: config.state,
    masterKey: join(config.state, 'master.key'),
    ledger: join(config.state, 'ledger'),
    index: join(config.state, 'index.db'),
  };
}

/**
 * Makes master key and ledger. A ledger is never made because a file is missing: only by this call, for a state folder that holds
 * nothing yet. Gives the verifier key that auditors should keep.
 * @throws LedgerError ERR_LEDGER_EXISTS, IdentityError ERR_IDENTITY_MASTER_KEY
 */
export async function initState(config: GatewayConfig): Promise<{ readonly vkey: string }> {
  const paths = statePaths(config);
  if (process.env['GATEHOUSE_MASTER_KEY'] === undefined) await createMasterKey(paths.masterKey);
  return initLedger({ storage: createLedgerFiles(paths.ledger), origin: config.ledger.origin });
}

/** Whether nothing was ever started here. */
export async function isNewState(config: GatewayConfig): Promise<boolean> {
  try {
    return (await readdir(config.state)).length === 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true;
    throw error;
  }
}

/** The ledger's folder, for verification offline. */
export function ledgerFolder(config: GatewayConfig): string {
  return statePaths(config).ledger;
}

/** Target passwords kept sealed in the state folder. */
export interface Secrets extends AsyncDisposable {
  /** Seals under the master key; replaces what was there. */
  set(name: string, secret: string): Promise<void>;
  list(): Promise<readonly { readonly name: string; readonly changedAt: number }[]>;
  /** False when there was none of that name. */
  remove(name: string): Promise<boolean>;
}

/** Opens the stored target passwords; a running gateway sees changes at its next connection. */
export async function openSecrets(config: GatewayConfig): Promise<Secrets> {
  const paths = statePaths(config);
  if (await isNewState(config)) await initState(config);
  const key = await loadMasterKey(paths.masterKey, { GATEHOUSE_MASTER_KEY: process.env['GATEHOUSE_MASTER_KEY'] });
  const storage = await openStorage(paths.folder);
  return {
    set: (name, secret) => storage.secrets.put(name, sealSecret(key, name, secret)),
    list: () => storage.secrets.list(),
    remove: (name) => storage.secrets.remove(name),
    [Symbol.asyncDispose]: () => storage.close(),
  };
}
