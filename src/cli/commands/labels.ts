import { readFile, writeFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import {
  type LabelOrigin,
  type LabelView,
  labelView,
  paths,
  refreshedLabels,
  writtenLabels,
} from '../../controlplane/contract/index.ts';
import { type Call, doing } from '../call.ts';
import { CliError } from '../errors.ts';
import { plural, type Row, table } from '../terminal.ts';
import { registerProposals } from './label-proposals.ts';
import { registerScan } from './label-scan.ts';
import { registerTaxonomy } from './label-taxonomy.ts';

const SYSTEM = /^(pg_catalog|information_schema)\./;

export function registerLabels(program: Command): void {
  const labels = program.command('labels').description('which columns hold what kind of data');
  labels
    .command('list')
    .description('labels in force, inherited ones included: where from, by whom, when, why, and what is masked for you')
    .argument('<connection>')
    .option('--unlabelled', 'columns that nobody labelled instead')
    .option('--all', 'also what PostgreSQL itself keeps, which is labelled by the gateway')
    .action(
      doing(async (call: Call<{ all?: boolean; unlabelled?: boolean }>, connection: string) => {
        const view = await call.api().get(labelView, paths.labels(connection));
        call.terminal.result(view, ({ relations, problems, unlabelled }) => {
          if (call.options.unlabelled) return unlabelled.join('\n') || 'every column carries a label';
          const rows = relations
            .filter(({ relation }) => call.options.all || !SYSTEM.test(relation))
            .flatMap(inventoryRows);
          const head = rows.length === 0 ? 'nothing is labelled' : table(INVENTORY, rows);
          return [head, ...problems.map((problem) => `note: ${problem}`)].join('\n');
        });
      }),
    );
  labels
    .command('import')
    .description('write a label file from what stands beside the data: comments and security labels, or a dbt manifest')
    .argument('<connection>')
    .addOption(
      new Option('--dbt <manifest.json>', 'read this manifest; comments and security labels of the target when absent'),
    )
    .addOption(new Option('--output <file>', 'a new file; standard output when absent'))
    .action(doing(importLabels));
  registerScan(labels);
  registerProposals(labels);
  registerTaxonomy(labels);
  labels
    .command('refresh')
    .description('read the target’s catalog anew, at once')
    .argument('<connection>')
    .action(
      doing(async (call, connection: string) => {
        const done = await call.api().post(refreshedLabels, paths.refreshLabels(connection));
        call.terminal.result(done, ({ before, after, relations, problems }) =>
          [
            `${connection}: ${plural(relations, 'relation')}, ${before === after ? 'unchanged' : `catalog ${after}`}`,
            ...problems.map((problem) => `note: ${problem}`),
          ].join('\n'),
        );
      }),
    );
}

const INVENTORY = ['RELATION', 'COLUMN', 'LABEL', 'FOR YOU', 'SOURCE', 'SURE', 'WHEN', 'BY', 'WHY'];

/** One row for each label of each column, and one more for each further reason. */
function inventoryRows({ relation, labels, origins, columns }: LabelView['relations'][number]): Row[] {
  const rows = (column: string, own: readonly string[], reasons: readonly LabelOrigin[], seen: string): Row[] =>
    own.flatMap((label) => {
      const found = reasons.filter((reason) => reason.label === label);
      return (found.length === 0 ? [undefined] : found).map((reason) => [
        relation,
        column,
        label,
        seen,
        sourceText(reason),
        reason?.confidence === undefined ? '' : `${reason.confidence} %`,
        reason?.at ?? '',
        reason?.by ?? '',
        reason?.why ?? '',
      ]);
    });
  return [
    ...rows('(table)', labels, origins, ''),
    ...columns.flatMap((column) =>
      rows(column.name, column.labels, column.origins, column.hidden ? 'masked' : 'visible'),
    ),
  ];
}

const SOURCE_TEXT: Readonly<Record<LabelOrigin['source'], string>> = {
  person: 'file',
  comment: 'comment, imported',
  'security-label': 'security label, imported',
  dbt: 'dbt, imported',
  detected: 'detected, accepted',
  scanned: 'scanned, accepted',
  name: 'name, accepted',
  inherited: 'inherited from',
  renamed: 'renamed, was',
  'unknown-lineage': 'view not understood',
  'built-in': 'built in',
};

function sourceText(origin: LabelOrigin | undefined): string {
  if (origin === undefined) return '';
  const where = origin.from ?? (origin.file === undefined ? '' : `(${origin.file}:${origin.line})`);
  return `${SOURCE_TEXT[origin.source]} ${where}`.trimEnd();
}

interface ImportOptions {
  readonly dbt?: string;
  readonly output?: string;
}

/** Labels come into force by a reviewed file only: nothing is written into the gateway's own folder unless `--output` says so. */
async function importLabels(call: Call<ImportOptions>, connection: string): Promise<void> {
  const { labelFileText, labelsInManifest } = await import('../../config/index.ts');
  const { dbt, output } = call.options;
  const { found, problems } =
    dbt === undefined
      ? await call.api().get(writtenLabels, paths.writtenLabels(connection))
      : labelsInManifest(await manifestIn(dbt));
  const sources = dbt === undefined ? 'comments and security labels' : 'a dbt manifest';
  const today = new Date().toISOString().slice(0, 10);
  const text = labelFileText(connection, found, `Imported from ${sources} on ${today}. Review before use.`, today);
  if (output !== undefined && found.length > 0) {
    await writeFile(output, text, { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
      throw new CliError(
        'ERR_CLI_FAILED',
        `${output} cannot be written (${error.code})`,
        'Choose the name of a new file.',
      );
    });
  }
  call.terminal.result({ connection, found, problems, ...(output !== undefined && { output }) }, () =>
    [
      ...problems.map((problem) => `# note: ${problem}`),
      found.length === 0
        ? '# no label found'
        : output === undefined
          ? text.trimEnd()
          : `${output}: ${plural(found.length, 'label entry', 'label entries')}; put it into the labels folder after review`,
    ].join('\n'),
  );
}

async function manifestIn(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new CliError('ERR_CLI_FAILED', `${file} cannot be read as JSON`, (error as Error).message);
  }
}
