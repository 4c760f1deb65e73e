import { createHash } from 'node:crypto';
import { chmod, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import type { LabelAddition } from '../config/index.ts';
import type { GatewayConfig } from '../model/config.ts';
import { CliError } from './errors.ts';

interface NamedText {
  readonly name: string;
  readonly text: string;
}

/** How one label file is to be changed. */
export interface LabelFileChange {
  /** Absolute. */
  readonly path: string;
  /** Relative to the configuration folder, with `/`. */
  readonly shown: string;
  readonly before: string;
  readonly after: string;
  readonly additions: readonly LabelAddition[];
}

/** Where each label goes: the file that names its relation, else one of its connection, else a new one; `only` when a file was named. */
export async function labelFileChanges(
  config: GatewayConfig,
  files: readonly NamedText[],
  additions: readonly LabelAddition[],
  only?: string,
): Promise<readonly LabelFileChange[]> {
  const { labelFileFor, withLabels } = await import('../config/index.ts');
  const byFile = new Map<string, LabelAddition[]>();
  for (const addition of additions) {
    const name = only ?? labelFileFor(files, addition);
    byFile.set(name, [...(byFile.get(name) ?? []), addition]);
  }
  return [...byFile].map(([name, own]) => {
    const path = join(config.labels, name);
    const before = files.find((file) => file.name === name)?.text ?? '';
    return {
      path,
      shown: relative(config.folder, path).split(sep).join('/'),
      before,
      after: withLabels(before, name, own),
      additions: own,
    };
  });
}

/** A new version beside the file, to be put in its place when everybody agrees. */
export class PreparedFile {
  readonly #next: string;
  readonly #path: string;

  private constructor(next: string, path: string) {
    this.#next = next;
    this.#path = path;
  }

  /** @throws CliError when the folder cannot be written: before anything was recorded */
  static async write({ path, shown, after }: LabelFileChange): Promise<PreparedFile> {
    // Behind a symbolic link stands the file that is meant.
    const target = await realpath(path).catch(() => path);
    // A hidden file is no label file: the gateway does not read it.
    const next = join(dirname(target), `.${basename(target)}.${process.pid}.new`);
    try {
      await writeFile(next, after, { flag: 'wx' });
      const mode = await stat(target).then(
        (found) => found.mode & 0o777,
        () => undefined,
      );
      if (mode !== undefined) await chmod(next, mode);
    } catch (error) {
      await rm(next, { force: true }).catch(() => undefined);
      throw new CliError(
        'ERR_CLI_FAILED',
        `${shown} cannot be written (${(error as NodeJS.ErrnoException).code}); nothing was accepted`,
        'Run it where the configuration is kept and may be changed: --folder FOLDER, a Git checkout for example.',
      );
    }
    return new PreparedFile(next, target);
  }

  /** @throws CliError when somebody changed the file meanwhile: his change is not to be lost */
  async assertUnchanged({ shown, before }: LabelFileChange): Promise<void> {
    const now = await readFile(this.#path, 'utf8').catch(() => '');
    if (now === before) return;
    throw new CliError('ERR_CLI_FAILED', `${shown} was changed by somebody else meanwhile`, 'Run the command again.');
  }

  commit(): Promise<void> {
    return rename(this.#next, this.#path);
  }

  discard(): Promise<void> {
    return rm(this.#next, { force: true });
  }
}

export function fileHash(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}
