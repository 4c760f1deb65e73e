import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { importOptional } from './errors.ts';
import { DATABASE } from './sales-database.ts';

export interface SqlCall {
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** One after the other in one session; a failed one does not end it. */
  readonly statements: readonly string[];
  /** Where the result goes as CSV with a heading, instead of to the screen. */
  readonly file?: string | undefined;
  readonly signal: AbortSignal;
  /** Called with what the person sees, as it comes. */
  readonly show: (text: string) => void;
}

export interface SqlOutcome {
  /** The last statement went well. */
  readonly ok: boolean;
  /** All that was shown: rows, notices, errors. */
  readonly output: string;
}

/** Runs statements through the gateway with psql, or with node-postgres where there is no psql. */
export async function runSql(call: SqlCall): Promise<SqlOutcome> {
  return (await withPsql(call)) ?? (await withDriver(call));
}

async function withPsql(call: SqlCall): Promise<SqlOutcome | undefined> {
  const destination = call.file === undefined ? [] : ['--csv', '-o', call.file];
  const child = spawn(
    'psql',
    ['-X', '-w', ...destination, ...call.statements.flatMap((statement) => ['-c', statement])],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      signal: call.signal,
      env: {
        ...process.env,
        PGHOST: '127.0.0.1',
        PGPORT: String(call.port),
        PGDATABASE: DATABASE,
        PGUSER: call.user,
        PGPASSWORD: call.password,
        PGSSLMODE: 'prefer',
        PGOPTIONS: '',
      },
    },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8');
      call.show(chunk.toString('utf8'));
    });
  }
  return await new Promise((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') resolve(undefined);
      else reject(error);
    });
    child.on('close', (code) => resolve({ ok: code === 0, output: output.trimEnd() }));
  });
}

async function withDriver(call: SqlCall): Promise<SqlOutcome> {
  const { default: driver } = await importOptional<typeof import('pg')>('pg');
  const { port, user, password } = call;
  let output = '';
  const show = (text: string): void => {
    output += `${text}\n`;
    call.show(`${text}\n`);
  };
  const client = new driver.Client({ host: '127.0.0.1', port, database: DATABASE, user, password, ssl: false });
  client.on('notice', (notice) => show(`NOTICE:  ${notice.message}`));
  let ok = false;
  try {
    await client.connect();
    for (const text of call.statements) {
      try {
        const result = await client.query({ text, rowMode: 'array' });
        const rows: unknown[][] = [result.fields.map((field) => field.name), ...result.rows];
        if (call.file === undefined) show(rows.map((row) => row.map(String).join(' | ')).join('\n'));
        else writeFileSync(call.file, `${rows.map((row) => row.map(String).join(',')).join('\n')}\n`);
        ok = true;
      } catch (error) {
        ok = false;
        const { message, hint, detail } = error as { message?: string; hint?: string; detail?: string };
        const lines = [`ERROR:  ${message}`, detail && `DETAIL:  ${detail}`, hint && `HINT:  ${hint}`];
        show(lines.filter(Boolean).join('\n'));
      }
    }
    return { ok, output };
  } finally {
    await client.end().catch(() => undefined);
  }
}
