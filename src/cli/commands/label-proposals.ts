import { type Command, Option } from 'commander';
import type { LabelAddition, LoadedConfig } from '../../config/index.ts';
import {
  decidedProposals,
  type LabelProposal,
  labelProposal,
  paths,
  proposalList,
  whoami,
} from '../../controlplane/contract/index.ts';
import { type Call, doing, wholeNumber } from '../call.ts';
import { fileDiff } from '../diff.ts';
import { CliError } from '../errors.ts';
import { fileHash, type LabelFileChange, labelFileChanges, PreparedFile } from '../label-files.ts';
import { moment, plural, table } from '../terminal.ts';

export function registerProposals(labels: Command): void {
  labels
    .command('proposals')
    .description('labels that detectors, scans and names propose for columns that nobody labelled, the surest first')
    .option('--connection <name>', 'of this connection only')
    .addOption(
      new Option('--state <state>', 'open: also accepted ones that stand in no file yet')
        .choices(['open', 'accepted', 'dismissed', 'all'])
        .default('open'),
    )
    .addOption(new Option('--sure <percent>', 'at least so sure').argParser(wholeNumber('--sure')))
    .addOption(new Option('--limit <n>', 'at most this many').argParser(wholeNumber('--limit')))
    .action(doing(list));
  labels
    .command('accept')
    .description('write proposed labels into the label files of a configuration folder, and record who accepted them')
    .argument('<id...>', 'of proposals, lbl_…')
    .option('--folder <folder>', 'the folder with gatehouse.yaml', '.')
    .option('--file <name>', 'a file of the labels folder to write into; chosen by what stands in them when absent')
    .option('--why <text>', 'why; what was found when absent')
    .option('--dry-run', 'show what would change, and change nothing')
    .action(doing(accept));
  labels
    .command('dismiss')
    .description('say that a proposed label does not belong there: it is not proposed for that column again')
    .argument('<id...>', 'of proposals, lbl_…')
    .requiredOption('--reason <text>', 'why')
    .action(
      doing(async (call: Call<{ reason: string }>, ids: readonly string[]) => {
        const { reason } = call.options;
        const done = await call.api().post(decidedProposals, paths.dismissProposals(), { ids, reason });
        call.terminal.result(done, ({ items }) =>
          items.map((one) => `dismissed ${one.id}: ${placeOf(one)}`).join('\n'),
        );
      }),
    );
}

interface ListOptions {
  readonly connection?: string;
  readonly state: string;
  readonly sure?: number;
  readonly limit?: number;
}

async function list(call: Call<ListOptions>): Promise<void> {
  const { connection, state, sure, limit } = call.options;
  const found = await call.api().get(proposalList, paths.proposals(), { connection, state, confidence: sure, limit });
  call.terminal.result(found, ({ items, total }) => {
    if (items.length === 0) return 'nothing is proposed';
    const rows = items.map((one) => [
      one.id,
      one.connection,
      `${one.schema}.${one.relation}.${one.column}`,
      one.label,
      `${one.confidence} %`,
      evidenceText(one),
      moment(one.lastSeen),
      stateText(one),
    ]);
    const more = total > items.length ? [`… and ${total - items.length} more: --limit, --connection, --sure`] : [];
    return [
      table(['ID', 'CONNECTION', 'COLUMN', 'LABEL', 'SURE', 'EVIDENCE', 'LAST SEEN (UTC)', 'STATE'], rows),
      ...more,
    ].join('\n');
  });
}

function evidenceText({ evidence }: LabelProposal): string {
  return evidence
    .map(({ source, detector, hits, rows }) =>
      source === 'name' ? `name (${detector})` : `${detector} ${hits}/${rows}${source === 'scanned' ? ' scanned' : ''}`,
    )
    .join(', ');
}

function stateText({ state, exists, inForce, decision }: LabelProposal): string {
  const by = decision === undefined ? '' : ` by ${decision.by}`;
  if (!exists) return `${state}${by}, column is gone`;
  if (state === 'accepted') return `accepted${by}${inForce ? '' : ', not in force'}`;
  return `${state}${by}${decision === undefined ? '' : `: ${decision.reason}`}`;
}

const placeOf = ({ schema, relation, column, label }: LabelProposal): string =>
  `${schema}.${relation}.${column} ${label}`;

interface AcceptOptions {
  readonly folder: string;
  readonly file?: string;
  readonly why?: string;
  readonly dryRun?: boolean;
}

/**
 * The file is written here, where a person works on the configuration, and not by the gateway: it may run with a configuration that it cannot
 * write, and labels come into force by a file that somebody can review. The decision is recorded before the file takes its place.
 */
async function accept(call: Call<AcceptOptions>, ids: readonly string[]): Promise<void> {
  const { folder, file, why, dryRun } = call.options;
  const { config, labelFiles } = await loadedFolder(folder);
  if (file !== undefined && !/^[^/\\.][^/\\]*\.ya?ml$/.test(file))
    throw new CliError('ERR_CLI_USAGE', '--file is the name of a *.yaml file in the labels folder');
  const api = call.api();
  const found = await Promise.all([...new Set(ids)].map((id) => api.get(labelProposal, paths.proposal(id))));
  for (const { connection } of found) {
    if (config.connections.has(connection)) continue;
    throw new CliError('ERR_CLI_FAILED', `${folder} has no connection ${connection}`, 'Name its folder with --folder.');
  }
  const { name: by } = await api.get(whoami, paths.whoami());
  const at = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const additions = new Map(found.map((one) => [additionOf(one, by, at, why), one]));
  const changes = await labelFileChanges(config, labelFiles, [...additions.keys()], file);
  const diff = changes.flatMap((change) => fileDiff(change.shown, change.before, change.after)).join('\n');
  if (dryRun !== true) {
    const prepared: { readonly change: LabelFileChange; readonly next: PreparedFile }[] = [];
    try {
      for (const change of changes) prepared.push({ change, next: await PreparedFile.write(change) });
      for (const { change, next } of prepared) {
        await next.assertUnchanged(change);
        const own = change.additions.flatMap((addition) => additions.get(addition) ?? []);
        await api.post(decidedProposals, paths.acceptProposals(), {
          ids: own.map(({ id }) => id),
          reason: (why ?? own.map(evidenceText).join('; ')).slice(0, 500),
          file: change.shown.slice(-200),
          from: fileHash(change.before),
          to: fileHash(change.after),
        });
        await next.commit();
      }
    } finally {
      for (const { next } of prepared) await next.discard();
    }
  }
  call.terminal.result({ accepted: found.map(({ id }) => id), diff, written: dryRun !== true }, () =>
    [
      diff === '' ? 'the labels stand in the label files already' : diff,
      dryRun === true
        ? 'nothing was changed (--dry-run)'
        : `accepted ${plural(found.length, 'proposal')}; the gateway takes the labels over when it reads this folder`,
    ].join('\n'),
  );
}

function additionOf(one: LabelProposal, by: string, at: string, why: string | undefined): LabelAddition {
  const { connection, schema, relation, column, label, confidence, evidence } = one;
  const sources = new Set(evidence.map(({ source }) => source));
  const source = sources.has('scanned') ? 'scanned' : sources.has('detected') ? 'detected' : 'name';
  return { connection, schema, relation, column, label, source, confidence, by, at, why: why ?? evidenceText(one) };
}

async function loadedFolder(folder: string): Promise<LoadedConfig> {
  const { formatProblem, loadConfig } = await import('../../config/index.ts');
  const loaded = await loadConfig(folder);
  if ('ok' in loaded) return loaded.ok;
  const first = loaded.problems.find(({ severity }) => severity === 'error');
  throw new CliError(
    'ERR_CLI_FAILED',
    first === undefined ? `${folder} has mistakes` : formatProblem(first),
    `Run: gatehouse check ${folder}`,
  );
}
