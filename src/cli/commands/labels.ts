import type { Command } from 'commander';
import { labelView, paths, refreshedLabels } from '../../controlplane/contract/index.ts';
import { type Call, doing } from '../call.ts';
import { plural, table } from '../terminal.ts';

const SYSTEM = /^(pg_catalog|information_schema)\./;

export function registerLabels(program: Command): void {
  const labels = program.command('labels').description('which columns hold what kind of data');
  labels
    .command('list')
    .description('labels in force, inherited ones included, and what is masked for you')
    .argument('<connection>')
    .option('--all', 'also what PostgreSQL itself keeps, which is labelled by the gateway')
    .action(
      doing(async (call: Call<{ all?: boolean }>, connection: string) => {
        const view = await call.api().get(labelView, paths.labels(connection));
        call.terminal.result(view, ({ relations, problems }) => {
          const rows = relations
            .filter(({ relation }) => call.options.all || !SYSTEM.test(relation))
            .flatMap((relation) => [
              ...(relation.labels.length > 0 ? [[relation.relation, '(table)', relation.labels.join(' '), '']] : []),
              ...relation.columns
                .filter((column) => column.labels.length > 0)
                .map((column) => [
                  relation.relation,
                  column.name,
                  column.labels.join(' '),
                  column.hidden ? 'masked' : 'visible',
                ]),
            ]);
          const head =
            rows.length === 0 ? 'nothing is labelled' : table(['RELATION', 'COLUMN', 'LABELS', 'FOR YOU'], rows);
          return [head, ...problems.map((problem) => `note: ${problem}`)].join('\n');
        });
      }),
    );
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
