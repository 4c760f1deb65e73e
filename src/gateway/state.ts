import { join } from 'node:path';
import { createMasterKey, loadMasterKey, openSecret, sealSecret } from '../identity/index.ts';
import { initLedger } from '../ledger/index.ts';
import type { GatewayConfig } from '../model/config.ts';
import { createLedgerFiles, openStorage } from '../storage/index.ts';

const environment: { readonly GATEHOUSE_MASTER_KEY?: string } = process.env;

/** Where the ledger of this node lies. */
export function ledgerFolder(config: Pick<GatewayConfig, 'state'>): string {
  return join(config.state, 'ledger');
}

/** Where the key lies that seals stored passwords, unless GATEHOUSE_MASTER_KEY is set. */
export function masterKeyFile(config: Pick<GatewayConfig, 'state'>): string {
  return join(config.state, 'master.key');
}

/**
 * Makes what a gateway needs before its first start: the master key and an empty ledger.
 * @throws LedgerError ERR_LEDGER_EXISTS, IdentityError ERR_IDENTITY_MASTER_KEY: nothing is ever overwritten.
 */
export async function initState(config: GatewayConfig): Promise<{ readonly vkey: string }> {
  const made = await initLedger({ storage: createLedgerFiles(ledgerFolder(config)), origin: config.ledger.origin });
  if (environment.GATEHOUSE_MASTER_KEY === undefined) await createMasterKey(masterKeyFile(config));
  return made;
}

/** Passwords of targets, sealed under the master key. */
export interface StoredSecrets extends AsyncDisposable {
  set(name: string, secret: string): Promise<void>;
  list(): Promise<readonly { readonly name: string; readonly changedAt: number }[]>;
  /** Gives false when there was none. */
  remove(name: string): Promise<boolean>;
  /** For the gateway itself; `undefined` when there is none of that name. */
  open(name: string): Promise<string | undefined>;
}

/** @throws IdentityError ERR_IDENTITY_MASTER_KEY, StorageError */
export async function openSecrets(config: GatewayConfig): Promise<StoredSecrets> {
  const key = await loadMasterKey(masterKeyFile(config), environment);
  const storage = await openStorage(config.state);
  return {
    set: (name, secret) => storage.secrets.put(name, sealSecret(key, name, secret)),
    list: () => storage.secrets.list(),
    remove: (name) => storage.secrets.remove(name),
    async open(name) {
      const sealed = await storage.secrets.get(name);
      return sealed === undefined ? undefined : openSecret(key, name, sealed);
    },
    [Symbol.asyncDispose]: () => storage.close(),
  };
}
