import type { Command } from 'commander';
import { doing } from '../call.ts';
import { configIn } from '../config-folder.ts';
import { table } from '../terminal.ts';

export function registerTaxonomy(labels: Command): void {
  labels
    .command('taxonomy')
    .description('labels that are known: what they mean, how such columns may be masked, which detector confirms them')
    .argument(
      '[folder]',
      'the folder with gatehouse.yaml, for the labels it declares; the shipped ones alone when absent',
    )
    .action(
      doing(async (call, folder: string | undefined) => {
        const { taxonomyOf, writtenMask } = await import('../../config/index.ts');
        const known = taxonomyOf(folder === undefined ? undefined : await configIn(folder));
        const items = known.map(({ mask, ...label }) => ({
          ...label,
          ...(mask === undefined ? {} : { mask: writtenMask(mask) }),
        }));
        call.terminal.result({ items }, () =>
          table(
            ['LABEL', 'LEVEL', 'SUGGESTED MASK', 'CONFIRMED BY', 'KEPT', 'WHAT IT IS'],
            items.map(({ label, level, mask, validators, retention, description, rule, own }) => [
              label,
              level,
              mask ?? '',
              validators?.join(' ') ?? '',
              retention ?? '',
              `${description}${rule === undefined ? '' : ` (${rule})`}${own ? ' [yours]' : ''}`,
            ]),
          ),
        );
      }),
    );
}
