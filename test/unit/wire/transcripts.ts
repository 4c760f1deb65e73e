import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const SESSIONS = ['psql-simple', 'psql-copy', 'pgbench-extended', 'pgbench-prepared', 'node-postgres'] as const;

const folder = join(import.meta.dirname, '../../transcripts');

export interface Transcript {
  readonly name: string;
  /** The startup packet, then typed messages. */
  readonly initial: Buffer;
  readonly frontend: Buffer;
  readonly backend: Buffer;
}

/** One recorded session; the initial packet is cut off the client's side. */
export function transcript(name: string): Transcript {
  const sent = readFileSync(join(folder, `${name}.frontend.bin`));
  const length = sent.readUInt32BE(0);
  return {
    name,
    initial: sent.subarray(0, length),
    frontend: sent.subarray(length),
    backend: readFileSync(join(folder, `${name}.backend.bin`)),
  };
}
