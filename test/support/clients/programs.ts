import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { type Door, doorEnvironment } from './door.ts';

const run = promisify(execFile);

/** What a program said and how it ended. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; its exit code is for the caller to judge. Never blocks: the gateway lives in this process. */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: { readonly env: NodeJS.ProcessEnv; readonly stdin?: string; readonly cwd?: string },
): Promise<Outcome> {
  const child = spawn(program, args, { env: options.env, cwd: options.cwd, stdio: 'pipe' });
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  child.stdin.on('error', () => undefined); // a program need not read what it was given
  child.stdin.end(options.stdin ?? '');
  const code = await new Promise<number | null>((done, fail) => {
    child.once('error', fail);
    child.once('close', done);
  });
  return { code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
}

/** psql without a startup file; unaligned unless asked otherwise. Each `-c`, or the script as standard input. */
export function psql(door: Door, script: string, more: { args?: readonly string[]; env?: NodeJS.ProcessEnv } = {}) {
  return runProgram('psql', ['-X', '-q', ...(more.args ?? ['-A', '-t'])], {
    env: { ...doorEnvironment(door), ...more.env },
    stdin: script,
  });
}

/** A Python script with the door in its environment. */
export function python(door: Door, script: string, args: readonly string[] = []): Promise<Outcome> {
  return runProgram(pythonProgram(), ['-c', script, ...args], { env: doorEnvironment(door) });
}

/** Debian's own Python first: its packages belong to it, whatever else is called python3 in the path. */
export function pythonProgram(): string {
  return existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';
}

/** Where Debian puts the driver for Java. */
export const JDBC_JAR = '/usr/share/java/postgresql.jar';

export interface Need {
  readonly programs?: readonly string[];
  readonly python?: readonly string[];
  readonly files?: readonly string[];
}

/**
 * Why a test must be skipped on this machine; false when all is there. With CI=true nothing is skipped: a missing client is then a
 * failure of the test that needs it.
 */
export async function missing(need: Need): Promise<string | false> {
  if (process.env['CI'] === 'true') return false;
  const lacking: string[] = [];
  for (const program of need.programs ?? []) {
    const flag = program === 'openssl' ? 'version' : program.startsWith('java') ? '-version' : '--version';
    await run(program, [flag]).catch(() => lacking.push(program));
  }
  for (const name of need.python ?? []) {
    await run(pythonProgram(), ['-c', `import ${name}`]).catch(() => lacking.push(`Python's ${name}`));
  }
  for (const file of need.files ?? []) if (!existsSync(file)) lacking.push(file);
  return lacking.length > 0 && `not on this machine: ${lacking.join(', ')}; npm test installs it on Debian`;
}
