import type { GatewayConfig } from '../model/config.ts';
import { CliError } from './errors.ts';

/** The configuration of a folder, which has to be free of errors. @throws CliError ERR_CLI_FAILED with the first of them */
export async function configIn(folder: string): Promise<GatewayConfig> {
  const { formatProblem, loadConfig } = await import('../config/index.ts');
  const loaded = await loadConfig(folder);
  if ('ok' in loaded) return loaded.ok.config;
  const first = loaded.problems.find((problem) => problem.severity === 'error');
  throw new CliError(
    'ERR_CLI_FAILED',
    first === undefined ? `${folder} has mistakes` : formatProblem(first),
    `Run: gatehouse check ${folder}`,
  );
}
