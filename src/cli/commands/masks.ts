import type { Command } from 'commander';
import { paths, pseudonymEpoch, rotatedPseudonyms } from '../../controlplane/contract/index.ts';
import { type Call, doing } from '../call.ts';

export function registerMasks(program: Command): void {
  const masks = program.command('masks').description('how hidden values are shown');
  masks
    .command('epoch')
    .description('which epoch pseudonyms are made in')
    .action(
      doing(async (call) => {
        call.terminal.result(await call.api().get(pseudonymEpoch, paths.pseudonyms()), ({ epoch }) => epoch);
      }),
    );
  masks
    .command('rotate')
    .description('begin a new epoch: the same value has another pseudonym from then on')
    .requiredOption('--reason <text>', 'why; it is kept as evidence')
    .action(
      doing(async (call: Call<{ reason: string }>) => {
        const { reason } = call.options;
        const rotated = await call.api().post(rotatedPseudonyms, paths.rotatePseudonyms(), { reason });
        call.terminal.result(rotated, ({ before, after }) => `epoch ${before} has ended, ${after} has begun`);
      }),
    );
}
