import { parentPort, workerData } from 'node:worker_threads';
import { LedgerError } from '../ledger/index.ts';
import { type FolderWrite, FolderWriter } from './ledger-files-writer.ts';

/*
 * The thread that publishes. Its calls block, so that publishing takes neither turns of the data path's event loop nor
 * threads of the pool in which appends are written.
 */
export interface WriteAnswer {
  readonly error?: { readonly message: string; readonly code: string | undefined; readonly isLedger: boolean };
}

const port = parentPort;
if (port === null) throw new Error('ledger-files-worker runs as a worker thread only.');
const writer = new FolderWriter(workerData as string);

port.on('message', (write: FolderWrite) => {
  port.postMessage(answer(write));
});

function answer(write: FolderWrite): WriteAnswer {
  try {
    writer.apply(write);
    return {};
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    return { error: { message, code, isLedger: error instanceof LedgerError } };
  }
}
