import type { Command } from 'commander';
import { doing } from '../call.ts';
import { CliError } from '../errors.ts';
import { plural } from '../terminal.ts';

export function registerConfigCommands(program: Command): void {
  program
    .command('init')
    .description('make a configuration folder, with its ledger and keys')
    .argument('[folder]', 'where', '.')
    .action(
      doing(async (call, folder: string) => {
        const { initFolder, loadConfig } = await import('../../config/index.ts');
        const { initState } = await import('../../gateway.ts');
        const files = await initFolder(folder);
        const loaded = await loadConfig(folder);
        if ('problems' in loaded)
          throw new CliError(
            'ERR_CLI_FAILED',
            `the configuration in ${folder} has mistakes`,
            `Run: gatehouse check ${folder}`,
          );
        const state = await initState(loaded.ok.config);
        call.terminal.result({ folder, files, verifierKey: state.vkey }, (made) =>
          [
            ...made.files.map((file) => `made ${file}`),
            '',
            'Verifier key of the ledger (give it to whoever audits this gateway):',
            `  ${made.verifierKey}`,
            '',
            `Next: edit ${folder}/gatehouse.yaml, then run: gatehouse check ${folder}`,
          ].join('\n'),
        );
      }),
    );

  program
    .command('check')
    .description('find every mistake in a configuration folder, in one run')
    .argument('[folder]', 'the folder with gatehouse.yaml', '.')
    .action(
      doing(async (call, folder: string) => {
        const { checkConfig, formatProblem, hasErrors } = await import('../../config/index.ts');
        const problems = await checkConfig(folder);
        const ok = !hasErrors(problems);
        call.terminal.result({ ok, problems }, () => {
          if (problems.length === 0) return `${folder} is in order`;
          const errors = problems.filter((problem) => problem.severity === 'error').length;
          const warnings = problems.length - errors;
          const total = [errors > 0 ? plural(errors, 'error') : '', warnings > 0 ? plural(warnings, 'warning') : ''];
          return `${problems.map(formatProblem).join('\n')}\n\n${total.filter(Boolean).join(', ')}`;
        });
        if (!ok) process.exitCode = 1;
      }),
    );
}
