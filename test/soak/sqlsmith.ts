import { type ChildProcess, spawn } from 'node:child_process';

/** What one run of sqlsmith came to. */
export interface Smithed {
  readonly seed: number;
  readonly queries: number;
  /** The last thing it said. */
  readonly last: string;
  readonly lostConnections: number;
}

export interface SqlsmithOptions {
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly seed: number;
  readonly milliseconds: number;
}

const MARKS = /^[.eStC]+$/;

/** Random statements over everything that the catalog shows, until the time is over or it gives up. https://github.com/anse1/sqlsmith */
export async function sqlsmith(options: SqlsmithOptions): Promise<Smithed> {
  const target = `host=127.0.0.1 port=${options.port} user=${options.user} dbname=${options.database} sslmode=disable`;
  const child = spawn('sqlsmith', ['--verbose', `--seed=${options.seed}`, `--target=${target}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, PGPASSWORD: options.password, PGOPTIONS: '-c statement_timeout=1000' },
  });
  const stop = setTimeout(() => child.kill('SIGKILL'), options.milliseconds);
  try {
    return { seed: options.seed, ...(await listen(child)) };
  } finally {
    clearTimeout(stop);
  }
}

function listen(child: ChildProcess): Promise<Omit<Smithed, 'seed'>> {
  let queries = 0;
  let marks = 0;
  let line = '';
  let last = '';
  let lostConnections = 0;
  const read = (text: string): void => {
    // It counts aloud after each thousand; between that it makes a mark for each: `.` well, others for kinds of errors.
    const lines = (line + text).split('\n');
    line = lines.pop() ?? '';
    for (const whole of lines) if (MARKS.test(whole)) marks += whole.length;
    for (const [, count] of text.matchAll(/queries: (\d+)/g)) queries = Number(count);
    lostConnections += text.match(/broken connection|server closed the connection|connection to server/gi)?.length ?? 0;
    last = (last + text).slice(-2_000);
  };
  child.stderr?.setEncoding('utf8').on('data', read);
  return new Promise((resolve, reject) => {
    child.on('error', (error) =>
      reject(new Error('sqlsmith could not be started; Debian has it: apt-get install sqlsmith', { cause: error })),
    );
    child.on('close', () => {
      if (MARKS.test(line)) marks += line.length;
      resolve({ queries: Math.max(queries, marks), last: last.trim().split('\n').at(-1) ?? '', lostConnections });
    });
  });
}
