/** The command `gatehouse`. Nothing is imported before the runtime is known to be new enough to import it. */
const WANTED = 24;
const running = Number(process.versions.node.split('.')[0]);

if (running < WANTED) {
  process.stderr.write(
    `gatehouse: Node ${WANTED} or newer is needed, this is Node ${process.versions.node}.\n` +
      'Install it from https://nodejs.org/en/download, or from a checkout use: npm run -s gatehouse -- ARGUMENTS\n',
  );
  process.exitCode = 1;
} else {
  const { runCli } = await import('./program.ts');
  const code = await runCli(process.argv.slice(2));
  process.exitCode = code;
  // A command that failed half way (a gateway whose port is taken) must end, whatever it left open.
  if (code !== 0) setTimeout(() => process.exit(code), 1000).unref();
}

export {};
