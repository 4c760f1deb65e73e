import type { Command } from 'commander';
import { doing } from '../call.ts';

export function registerServe(program: Command): void {
  program
    .command('serve')
    .description('run the gateway until SIGTERM or SIGINT; SIGHUP reads the configuration anew')
    .argument('[folder]', 'the folder with gatehouse.yaml', '.')
    .action(
      doing(async (call, folder: string) => {
        const { startGateway } = await import('../../gateway.ts');
        const gateway = await startGateway(folder);
        const ended = new Promise<void>((resolve, reject) => {
          let ending = false;
          const end = (signal: string): void => {
            if (ending) {
              call.terminal.note(`gatehouse: ${signal} again, ending at once`);
              process.exit(1);
            }
            ending = true;
            call.terminal.note(`gatehouse: ${signal}, running statements may finish`);
            gateway.close().then(resolve, reject);
          };
          for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => end(signal));
          process.on('SIGHUP', () => {
            // A refused version is recorded and logged by the gateway itself, which goes on with the old one.
            gateway.reload().catch((error: unknown) => call.terminal.note(`gatehouse: not reloaded: ${String(error)}`));
          });
        });
        const { postgres, control } = gateway.addresses;
        process.stdout.write(
          `gatehouse: ready, ${postgres ? `postgres on ${postgres.host}:${postgres.port}, ` : ''}control on ${control.host}:${control.port}\n`,
        );
        await ended;
      }),
    );
}
