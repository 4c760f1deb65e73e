import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { importOptional } from './errors.ts';
import { DATABASE } from './sales-database.ts';

export interface SqlCall {
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly sql: string;
  /** Where the result goes as CSV with a heading, instead of to the screen. */
  readonly file?: string | undefined;
  readonly signal: AbortSignal;
}

export interface SqlOutcome {
  readonly ok: boolean;
  /** What the person sees: rows, notices, errors. */
  readonly output: string;
}

/** Runs one statement through the gateway with psql, or with node-postgres where there is no psql. */
export async function runSql(call: SqlCall): Promise<SqlOutcome> {
  return (await withPsql(call)) ?? (await withDriver(call));
}

async function withPsql(call: SqlCall): Promise<SqlOutcome | undefined> {
  const destination = call.file === undefined ? [] : ['--csv', '-o', call.file];
  const child = spawn('psql', ['-X', '-w', ...destination, '-c', call.sql], {
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
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8');
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
  const client = new driver.Client({ host: '127.0.0.1', port, database: DATABASE, user, password, ssl: false });
  const notices: string[] = [];
  client.on('notice', (notice) => notices.push(`NOTICE:  ${notice.message}`));
  try {
    await client.connect();
    const result = await client.query({ text: call.sql, rowMode: 'array' });
    const rows = [result.fields.map((field) => field.name), ...result.rows];
    const lines = rows.map((row) => row.map(String).join(call.file === undefined ? ' | ' : ','));
    if (call.file !== undefined) writeFileSync(call.file, `${lines.join('\n')}\n`);
    const shown = call.file === undefined ? lines : [];
    return { ok: true, output: [...notices, ...shown].join('\n') };
  } catch (error) {
    const { message, hint, detail } = error as { message?: string; hint?: string; detail?: string };
    const lines = [`ERROR:  ${message}`, detail && `DETAIL:  ${detail}`, hint && `HINT:  ${hint}`];
    return { ok: false, output: [...notices, ...lines.filter(Boolean)].join('\n') };
  } finally {
    await client.end().catch(() => undefined);
  }
}
