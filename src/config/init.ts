import { randomBytes } from 'node:crypto';
import { access, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { starterPolicies, starterPolicyTests } from '../policy/index.ts';
import { ConfigError } from './errors.ts';
import { configJsonSchema, SCHEMA_FILE } from './json-schema.ts';
import { LABEL_SCHEMA_FILE, labelJsonSchema } from './label-schema.ts';
import { CONFIG_FILE } from './load.ts';
import { STARTER_GITIGNORE, type StarterOptions, starterConfig, starterLabels } from './starter.ts';

export type InitOptions = Partial<StarterOptions>;

/**
 * Writes a configuration folder to start from and gives the names of its files, relative to it. Other files there stay as they are.
 * @throws ConfigError ERR_CONFIG_FOLDER_IN_USE when one of the files exists: then nothing at all is written.
 */
export async function initFolder(folder: string, options: InitOptions = {}): Promise<readonly string[]> {
  const root = resolve(folder);
  const connection = options.connection?.name ?? 'shop';
  const origin = options.origin ?? `gatehouse.local/ledger/${randomBytes(4).toString('hex')}`;
  const files: (readonly [name: string, text: string])[] = [
    [CONFIG_FILE, starterConfig({ ...options, origin })],
    ...[...starterPolicies, ...starterPolicyTests].map(({ name, text }) => [`policies/${name}`, text] as const),
    [`labels/${connection}.yaml`, starterLabels(connection)],
    [SCHEMA_FILE, configJsonSchema()],
    [LABEL_SCHEMA_FILE, labelJsonSchema()],
    ['.gitignore', STARTER_GITIGNORE],
  ];
  const taken: string[] = [];
  for (const [name] of files) if (await exists(join(root, name))) taken.push(name);
  if (taken.length > 0) {
    const message = `${root} is in use: ${taken.join(', ')} would be overwritten. Choose another folder, or move the files away.`;
    throw new ConfigError('ERR_CONFIG_FOLDER_IN_USE', message);
  }
  for (const [name, text] of files) {
    const path = join(root, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text, { flag: 'wx' });
  }
  return files.map(([name]) => name);
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
