import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { createLedgerFiles } from './ledger-files.ts';
import type { IndexAnswer, IndexQuestion, IndexWorkerData } from './session-index.ts';
import { listSessions, showSession } from './session-index-queries.ts';
import { openIndexDatabase } from './session-index-schema.ts';
import { IndexTail } from './session-index-tail.ts';

/*
 * The thread behind createSessionIndex: owns the database, follows the ledger by looking at its checkpoint, and answers
 * questions, so that neither costs the data path anything.
 */
const { path, ledger, everyMs } = workerData as IndexWorkerData;
const port = parentPort;
if (port === null) throw new Error('session-index-worker runs as a worker thread only.');

const database = openIndexDatabase(path);
const tail = ledger === undefined ? undefined : new IndexTail(createLedgerFiles(ledger), database);
/** One thing at a time: the tail and a rebuild must not meet. */
let turn: Promise<unknown> = Promise.resolve();

function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const next = turn.then(work, work);
  turn = next.catch(() => undefined);
  return next;
}

async function answer(question: IndexQuestion): Promise<unknown> {
  switch (question.ask) {
    case 'list':
      return listSessions(database, question.filter);
    case 'show':
      return showSession(database, question.id);
    case 'refresh':
      return await inTurn(async () => (await tail?.catchUp()) ?? 0);
    case 'rebuild':
      return await inTurn(async () => {
        tail?.clear();
        return (await tail?.catchUp()) ?? 0;
      });
    case 'close':
      clearInterval(timer);
      return await inTurn(async () => database.close());
  }
}

port.on('message', ({ id, question }: { id: number; question: IndexQuestion }) => {
  answer(question).then(
    (value) => port.postMessage({ id, value } satisfies IndexAnswer),
    (error: unknown) => port.postMessage({ id, error: String(error) } satisfies IndexAnswer),
  );
});

let looking = false;
async function look(): Promise<void> {
  if (looking || tail === undefined) return;
  looking = true;
  try {
    await inTurn(() => tail.catchUp());
    report(undefined);
  } catch (error) {
    report(String(error));
  } finally {
    looking = false;
  }
}

let reported: string | undefined;
function report(problem: string | undefined): void {
  if (problem === reported) return;
  reported = problem;
  port?.postMessage({ problem: problem ?? null } satisfies IndexAnswer);
}

try {
  // On Linux this is the thread's own: statements come before the index of statements.
  if (process.platform === 'linux') setPriority(0, 10);
} catch {
  // Not permitted: it only costs pace.
}
const timer = setInterval(() => void look(), everyMs);
void look();
