import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { SecretSource } from '../model/config.ts';
import { ConfigError } from './errors.ts';

export interface SecretLookups {
  /** Opens what `gatehouse credentials set NAME` sealed; `undefined` when there is none of that name. */
  readonly stored?: (name: string) => Promise<string | undefined>;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * Gives the secret a source points to, at the moment it is needed. Relative files are relative to `folder`.
 * @throws ConfigError ERR_CONFIG_SECRET_… naming the source, never the secret.
 */
export async function resolveSecret(
  source: SecretSource,
  folder: string,
  lookups: SecretLookups = {},
): Promise<string> {
  const secret = await read(source, folder, lookups);
  if (secret === '') throw new ConfigError('ERR_CONFIG_SECRET_EMPTY', `the secret from ${nameOf(source)} is empty`);
  return secret;
}

async function read(source: SecretSource, folder: string, lookups: SecretLookups): Promise<string> {
  if ('literal' in source) return source.literal;
  if ('env' in source) {
    const value = (lookups.env ?? process.env)[source.env];
    if (value !== undefined) return value;
    const message = `the environment variable ${source.env} is not set; set it where the gateway runs`;
    throw new ConfigError('ERR_CONFIG_SECRET_ENV_UNSET', message);
  }
  if ('file' in source) {
    try {
      return (await readFile(resolve(folder, source.file), 'utf8')).replace(/\r?\n$/, '');
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      throw new ConfigError('ERR_CONFIG_SECRET_FILE', `the secret file ${source.file} cannot be read (${code})`);
    }
  }
  const value = await lookups.stored?.(source.stored);
  if (value !== undefined) return value;
  const message = `no secret ${source.stored} is stored; run: gatehouse credentials set ${source.stored}`;
  throw new ConfigError('ERR_CONFIG_SECRET_NOT_STORED', message);
}

function nameOf(source: SecretSource): string {
  if ('env' in source) return `the environment variable ${source.env}`;
  if ('file' in source) return `the file ${source.file}`;
  return 'stored' in source ? `the store (${source.stored})` : 'the configuration file';
}
