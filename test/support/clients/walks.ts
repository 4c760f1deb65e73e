import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Door, doorEnvironment } from './door.ts';
import { JDBC_JAR, missing, type Outcome, pythonProgram, runProgram } from './programs.ts';

const here = import.meta.dirname;

/** Scripts that walk a client library through all it does with a server, and print what they saw. */
export const walks = {
  psycopg: { file: 'psycopg_walk.py', needs: ['psycopg'] },
  psycopg2: { file: 'psycopg2_walk.py', needs: ['psycopg2'] },
  pandas: { file: 'pandas_export.py', needs: ['pandas', 'sqlalchemy', 'psycopg2'] },
} as const;

export function walk(door: Door, name: keyof typeof walks): Promise<Outcome> {
  return runProgram(pythonProgram(), [join(here, walks[name].file)], { env: doorEnvironment(door) });
}

export const jdbcMissing = () => missing({ programs: ['java', 'javac'], files: [JDBC_JAR] });

/** Compiles the walk for JDBC; `run` gives what it saw, `readOnly` leaves out what changes anything. */
export async function compileJdbcWalk(): Promise<{
  run(door: Door, readOnly?: boolean): Promise<Outcome>;
  remove(): Promise<void>;
}> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-jdbc-'));
  const env = { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8' };
  const compiled = await runProgram('javac', ['-cp', JDBC_JAR, '-d', folder, join(here, 'Walk.java')], { env });
  if (compiled.code !== 0) throw new Error(`javac: ${compiled.stderr}`);
  // Short-lived: the simplest collector and the quick compiler alone, so that two cores are not busy with the JVM.
  const flags = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dfile.encoding=UTF-8', '-Duser.timezone=UTC'];
  return {
    run: (door, readOnly = false) =>
      runProgram('java', [...flags, '-cp', `${JDBC_JAR}:${folder}`, 'Walk', ...(readOnly ? ['read-only'] : [])], {
        env: doorEnvironment(door),
      }),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
