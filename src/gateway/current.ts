import { readFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { formatProblem, type LoadedConfig, loadConfig, type Problem } from '../config/index.ts';
import { type TlsMaterial, tlsMaterial } from '../dataplane/index.ts';
import { createIdentityVerifier, type IdentityVerifier } from '../identity/index.ts';
import { parseLabelFile } from '../masking/index.ts';
import type { LabelFile } from '../model/mask.ts';
import { loadPolicySet, type PolicySet } from '../policy/index.ts';

/** One configuration in force: everything that is made out of the folder's files, together or not at all. */
export interface Current {
  readonly loaded: LoadedConfig;
  readonly policy: PolicySet;
  readonly labels: readonly LabelFile[];
  readonly identity: IdentityVerifier;
  readonly tls: { readonly material: TlsMaterial; readonly cert: Buffer; readonly key: Buffer } | undefined;
  readonly loadedAt: number;
}

/** The folder cannot be used as it is; `problems` says every reason. */
export class ConfigRefused extends Error {
  readonly problems: readonly Problem[];
  constructor(problems: readonly Problem[]) {
    super(problems.map(formatProblem).join('\n'));
    this.name = 'ConfigRefused';
    this.problems = problems;
  }
}

/** Reads and checks the folder. @throws ConfigRefused with every mistake; nothing of it is in force then */
export async function readCurrent(folder: string, clock: () => number, previous?: Current): Promise<Current> {
  const read = await loadConfig(folder, { env: process.env, now: clock() });
  if ('problems' in read) throw new ConfigRefused(read.problems);
  const loaded = read.ok;
  const policies = loadPolicySet(loaded.policyFiles);
  if (!('ok' in policies))
    throw new Error(
      policies.problems.map((problem) => `${problem.file}:${problem.line}: ${problem.message}`).join('\n'),
    );
  const { config } = loaded;
  const absolute = (path: string) => (isAbsolute(path) ? path : join(config.folder, path));
  let tls: Current['tls'];
  if (config.tls) {
    const [cert, key] = await Promise.all([readFile(absolute(config.tls.cert)), readFile(absolute(config.tls.key))]);
    tls = { material: tlsMaterial(cert, key), cert, key };
  }
  return {
    loaded,
    policy: policies.ok,
    labels: loaded.labelFiles.flatMap(({ name, text }) => parseLabelFile(text, name).files),
    identity: createIdentityVerifier(config.issuers, { clock, ...(previous ? { previous: previous.identity } : {}) }),
    tls,
    loadedAt: clock(),
  };
}
