import { writeFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { exportedCatalog, paths } from '../../controlplane/contract/index.ts';
import { type Call, doing } from '../call.ts';
import { CliError } from '../errors.ts';

interface ExportOptions {
  readonly output?: string;
}

export function registerCatalog(program: Command): void {
  const catalog = program.command('catalog').description('what the gateway knows of a target’s schemas');
  catalog
    .command('export')
    .description('write the catalog of a connection as a file, for policy explain and policy test without a gateway')
    .argument('<connection>')
    .addOption(new Option('--output <file>', 'written anew if it is there; standard output when absent'))
    .action(doing(exportCatalog));
}

async function exportCatalog(call: Call<ExportOptions>, connection: string): Promise<void> {
  const { output } = call.options;
  const exported = await call.api().get(exportedCatalog, paths.catalog(connection));
  if (output === undefined) {
    process.stdout.write(exported.text);
    return;
  }
  await writeFile(output, exported.text).catch((error: NodeJS.ErrnoException) => {
    throw new CliError('ERR_CLI_FAILED', `${output} cannot be written (${error.code})`, 'Choose another file.');
  });
  call.terminal.result({ connection, output, version: exported.version }, () => `${output}: catalog of ${connection}`);
}
