import { parentPort, workerData } from 'node:worker_threads';
import { LedgerError } from '../ledger/index.ts';
import { writeOutPacked } from './ledger-files-packing.ts';
import { type FolderWrite, FolderWriter } from './ledger-files-writer.ts';

/*
 * The thread that publishes. Its calls block, so that publishing takes neither turns of the data path's event loop nor
 * threads of the pool in which appends are written.
 */
export type ThreadTask =
  | FolderWrite
  | { readonly do: 'write-out'; readonly origin: string; readonly bytes: Uint8Array };

export interface ThreadAnswer {
  readonly packed?: Uint8Array;
  readonly error?: { readonly message: string; readonly code: string | undefined; readonly isLedger: boolean };
}

const port = parentPort;
if (port === null) throw new Error('ledger-files-worker runs as a worker thread only.');
const writer = new FolderWriter(workerData as string);

port.on('message', (task: ThreadTask) => {
  const answer = answerTo(task);
  port.postMessage(answer, answer.packed === undefined ? [] : [answer.packed.buffer as ArrayBuffer]);
});

function answerTo(task: ThreadTask): ThreadAnswer {
  try {
    if (task.do === 'write-out') return { packed: writeOutPacked(task.origin, task.bytes) };
    writer.apply(task);
    return {};
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    return { error: { message, code, isLedger: error instanceof LedgerError } };
  }
}
