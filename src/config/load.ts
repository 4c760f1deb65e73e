import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import type { GatewayConfig } from '../model/config.ts';
import { buildConfig, type Report } from './build.ts';
import { readYaml } from './document.ts';
import { explainIssues } from './explain.ts';
import { hasErrors, inReadingOrder, type Problem } from './problem.ts';
import { checkRules, type MainFile } from './rules.ts';
import { salvage, whole } from './salvage.ts';
import { configDocument } from './schema.ts';
import { verifyConfig } from './verify.ts';

export const CONFIG_FILE = 'gatehouse.yaml';

/** A file of the policies or labels folder; `name` is relative to that folder, with `/`. */
export interface NamedText {
  readonly name: string;
  readonly text: string;
}

export interface LoadedConfig {
  readonly config: GatewayConfig;
  /** `*.cedar`, sorted by name. */
  readonly policyFiles: readonly NamedText[];
  /** `*.yaml` next to the policies, sorted by name. */
  readonly policyTests: readonly NamedText[];
  /** `*.yaml` of the labels folder, sorted by name. */
  readonly labelFiles: readonly NamedText[];
  /** `sha256:` and hex over names and contents of all of the above and gatehouse.yaml: changes when any of them does. */
  readonly version: string;
  /** What was worth saying but not worth refusing. */
  readonly warnings: readonly Problem[];
}

export interface LoadOptions {
  /** Consulted only to warn about variables that are not set. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Milliseconds since the epoch, for certificates about to expire. */
  readonly now?: number;
}

/** Reads and checks a configuration folder. Any error anywhere gives only problems: half a configuration is never used. */
export async function loadConfig(
  folder: string,
  options: LoadOptions = {},
): Promise<{ readonly ok: LoadedConfig } | { readonly problems: readonly Problem[] }> {
  const { loaded, problems } = await read(resolve(folder), options);
  if (loaded === undefined || hasErrors(problems)) return { problems };
  return { ok: { ...loaded, warnings: problems } };
}

/** Every mistake of every file in one run, in reading order; an empty list is a clean configuration. */
export async function checkConfig(folder: string, options: LoadOptions = {}): Promise<readonly Problem[]> {
  return (await read(resolve(folder), options)).problems;
}

async function read(
  folder: string,
  options: LoadOptions,
): Promise<{ loaded?: Omit<LoadedConfig, 'warnings'>; problems: readonly Problem[] }> {
  let text: string;
  try {
    text = await readFile(join(folder, CONFIG_FILE), 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    const message =
      code === 'ENOENT' ? `there is no ${CONFIG_FILE} in ${folder}` : `${CONFIG_FILE} cannot be read (${code})`;
    const help = `Create one with: gatehouse init ${folder}`;
    return { problems: [{ file: CONFIG_FILE, line: 1, column: 1, severity: 'error', message, help }] };
  }
  const parsed = readYaml(CONFIG_FILE, text);
  if (!('file' in parsed)) {
    const start: Report = (_path, severity, message, help) => {
      parsed.problems.push({ file: CONFIG_FILE, line: 1, column: 1, severity, message, help });
    };
    const { problems } = await readRules(folder, {}, start);
    return { problems: inReadingOrder([...parsed.problems, ...problems]) };
  }
  const yaml = parsed.file;
  const problems: Problem[] = [];
  const report: Report = (path, severity, message, help) => {
    problems.push({ file: CONFIG_FILE, ...yaml.place(path), severity, message, help });
  };

  const judged = configDocument.safeParse(yaml.value);
  if (!judged.success) problems.push(...explainIssues(CONFIG_FILE, yaml, configDocument, judged.error.issues));
  // What the schema accepts is looked at further even when another part is wrong, so that one run shows every mistake.
  const sound = judged.success ? whole(judged.data) : salvage(yaml.value);
  const config = buildConfig(folder, sound.document, sound.narrowed(report));
  await verifyConfig(config, options.env ?? process.env, options.now ?? Date.now(), sound.narrowed(report));

  const main: MainFile = { name: CONFIG_FILE, yaml, connections: connectionNames(yaml.value), config };
  const rules = await readRules(folder, yaml.value, report, main);
  const ordered = inReadingOrder([...problems, ...rules.problems]);
  if (!judged.success) return { problems: ordered };
  const { policyFiles, policyTests, labelFiles } = rules;
  const version = versionOf({
    config: [{ name: CONFIG_FILE, text }],
    policies: [...policyFiles, ...policyTests],
    labels: labelFiles,
  });
  return { loaded: { config, policyFiles, policyTests, labelFiles, version }, problems: ordered };
}

type Rules = Pick<LoadedConfig, 'policyFiles' | 'policyTests' | 'labelFiles'> & {
  readonly problems: readonly Problem[];
};

/** Policies and labels, from where `written` says they are, judged together with gatehouse.yaml when that can be read. */
async function readRules(folder: string, written: unknown, report: Report, main?: MainFile): Promise<Rules> {
  const folderOf = (key: 'policies' | 'labels'): string => {
    const path = (written as Readonly<Record<string, unknown>> | null)?.[key];
    return resolve(folder, typeof path === 'string' && path !== '' ? path : `./${key}`);
  };
  const folders = { policies: folderOf('policies'), labels: folderOf('labels') };
  const policyFolder = await filesBelow(folder, folders.policies, ['policies'], report);
  const labelFolder = await filesBelow(folder, folders.labels, ['labels'], report);
  const policyFiles = policyFolder?.filter(({ name }) => name.endsWith('.cedar')) ?? [];
  const policyTests = policyFolder?.filter(({ name }) => /\.ya?ml$/.test(name)) ?? [];
  const labelFiles = labelFolder?.filter(({ name }) => /\.ya?ml$/.test(name)) ?? [];
  if (policyFolder !== undefined && policyFiles.length === 0) {
    const message = 'there is no *.cedar file in the policies folder, so everything is refused';
    report(['policies'], 'warning', message, 'gatehouse init writes policies to start from.');
  }
  const problems = checkRules({
    policyFiles,
    policyTests,
    labelFiles,
    policyPrefix: shownFolder(folder, folders.policies),
    labelPrefix: shownFolder(folder, folders.labels),
    ...(main === undefined ? {} : { main }),
  });
  return { policyFiles, policyTests, labelFiles, problems };
}

function connectionNames(value: unknown): readonly string[] {
  const connections = (value as { connections?: unknown } | null)?.connections;
  return typeof connections === 'object' && connections !== null ? Object.keys(connections) : [];
}

/** `policies/`: how a folder is called in problems. */
function shownFolder(root: string, folder: string): string {
  const inside = relative(root, folder).split(sep).join('/');
  return inside === '' ? '' : `${inside.startsWith('..') ? folder : inside}/`;
}

async function filesBelow(
  root: string,
  folder: string,
  at: readonly string[],
  report: Report,
): Promise<NamedText[] | undefined> {
  const what = at.join('.');
  let entries: string[];
  try {
    entries = await readdir(folder, { recursive: true });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const message = `the folder of ${what} ${code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`}: ${folder}`;
    // Without labels nothing is masked, without policies nothing is allowed: neither may happen by a mistyped path.
    report(at, 'error', message, 'Create it, or correct the path; it is relative to the folder of gatehouse.yaml.');
    return undefined;
  }
  const files: NamedText[] = [];
  for (const entry of entries.toSorted()) {
    if (!/\.(?:cedar|ya?ml)$/.test(entry) || entry.split(sep).some((part) => part.startsWith('.'))) continue;
    const name = entry.split(sep).join('/');
    try {
      files.push({ name, text: await readFile(join(folder, entry), 'utf8') });
    } catch (error) {
      const message = `${shownFolder(root, folder)}${name} cannot be read (${(error as NodeJS.ErrnoException).code})`;
      report(at, 'error', message, 'Make it readable for the gateway’s user, or remove it.');
    }
  }
  return files;
}

function versionOf(groups: Readonly<Record<string, readonly NamedText[]>>): string {
  const hash = createHash('sha256');
  for (const [group, files] of Object.entries(groups)) {
    for (const { name, text } of files) {
      // Lengths keep two different sets of files from running together into the same bytes.
      hash.update(`${group}:${Buffer.byteLength(name)}:${name}${Buffer.byteLength(text)}:`).update(text);
    }
  }
  return `sha256:${hash.digest('hex')}`;
}
