import { spawn } from 'node:child_process';
import { resolve } from 'node:path';

/** The checkout. */
export const root = resolve(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '../..');

/** Progress and trouble: never on stdout, which belongs to the task. */
export function say(line) {
  process.stderr.write(`gatehouse: ${line}\n`);
}

/** The machine lacks something: the message says what, why and what to do. */
export class Unready extends Error {
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/**
 * Runs a program with its output on our stderr.
 * @returns {Promise<{ code: number, tail: string }>} exit code (127: no such program) and the last 8 KB it wrote
 */
export function runLoudly(program, args, options = {}) {
  return new Promise((done) => {
    const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let tail = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        process.stderr.write(chunk);
        tail = (tail + chunk.toString('utf8')).slice(-8192);
      });
    }
    child.on('error', (error) => done({ code: 127, tail: String(error) }));
    child.on('close', (code) => done({ code: code ?? 1, tail }));
  });
}
