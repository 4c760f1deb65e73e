import { startGateway } from '../../../src/gateway.ts';

/*
 * A gateway in a process of its own, so that a test can kill it and measure its memory. Says its addresses on stdout as one line of
 * JSON; log lines go to stderr. A second argument `stop` on stdin (its end) closes it in order.
 */
const [folder = ''] = process.argv.slice(2);
const gateway = await startGateway(folder, { watch: false });
process.stdout.write(`${JSON.stringify(gateway.addresses)}\n`);
process.on('SIGTERM', () => {
  gateway.close().then(
    () => process.exit(0),
    () => process.exit(1),
  );
});
