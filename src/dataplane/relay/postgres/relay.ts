import type { Socket } from 'node:net';
import type { SessionContext } from '../../../model/catalog.ts';
import type { DurableWaiter } from '../../../model/record.ts';
import type { Refusal } from '../../../model/refusal.ts';
import type { LiveSession } from '../../../model/session-directory.ts';
import { FrameReader } from '../../../wire/bytes/index.ts';
import {
  encodeNotice,
  encodeRefusal,
  type FrontendSizes,
  frontend,
  frontendLimit,
  type TransactionStatus,
} from '../../../wire/postgres/index.ts';
import { refusal } from '../../errors.ts';
import { lendReads } from '../../lent-reads.ts';
import { type ForwardPermit, permitHousekeeping } from '../../permit.ts';
import type { Plan } from '../../plan.ts';
import type { Planner } from '../../planner.ts';
import type { Session, SessionEnd } from '../../session.ts';
import type { TargetSession } from '../../target/index.ts';
import { ClientMessages } from './client-messages.ts';
import { type Pipeline, REFUSED_NAME, REFUSED_TEXT, type RelayCore } from './core.ts';
import { expectation, type Run } from './expectation.ts';
import { type Asking, Judge } from './judge.ts';
import { Outbox } from './outbox.ts';
import { PseudonymKey } from './pseudonym-key.ts';
import { Replies, type ReplyHost, type RunOutcome } from './replies.ts';
import { ResultGate } from './result-gate.ts';
import { changedRefusal, type Doubtful, leavesNothing, SecondLook } from './second-look.ts';
import { SessionNames } from './session-names.ts';
import { SessionObjectTable } from './session-objects.ts';

/** Below this many bytes several buffers are joined into one write. */
const JOIN_BELOW = 64 * 1024;
/** Replies that may be outstanding before the client is no longer read. */
const MOST_OUTSTANDING = 4_096;
/** Records on their way to the disk before the client is no longer read. */
const MOST_UNDURABLE = 1_024;
/** Type bytes of Sync and Terminate. */
const SYNC = 0x53;
const TERMINATE = 0x58;
/** Bytes that may be read ahead of what has to wait, before a socket is paused. */
const LOOK_AHEAD = 64 * 1024;
/** Messages that may wait for durable records before the client is no longer read. */
const MOST_WAITING = 1_024;
/** Bytes that are read at once from a client, and from a target. */
const CLIENT_READ = 16 * 1024;
const TARGET_READ = 128 * 1024;
/** So few bytes of an answer are copied out of the read buffer: cheaper than waiting until they are written. */
const COPY_BELOW = 2 * 1024;

export interface RelayOptions {
  readonly session: Session;
  readonly client: Socket;
  readonly target: TargetSession;
  readonly planner: Planner;
  readonly context: SessionContext;
  /** Bytes the client sent after its last authentication message. */
  readonly early: Buffer;
  readonly limits: FrontendSizes;
  /** Resolves when the cancel request can hit nothing that is sent from now on. */
  readonly cancelTarget: () => Promise<void>;
  readonly refreshCatalog: (reason: 'ddl' | 'mismatch') => Promise<void>;
}

/**
 * The relay of one PostgreSQL session: two sockets and the order between them. The client's messages are taken one by one
 * ({@link ClientMessages}); one that has to wait (consent, durable record, catalog) stops reading from the client. The target's replies
 * pass through {@link Replies}; none passes while a record they depend on is not durable.
 */
export class PostgresRelay implements RelayCore, ReplyHost {
  readonly session: Session;
  readonly replies: Replies;
  readonly objects = new SessionObjectTable();
  readonly names: SessionNames;
  readonly pseudonymKey: PseudonymKey;
  readonly judge: Judge;
  readonly look: SecondLook;
  readonly gate: ResultGate;
  readonly asking: Asking;
  readonly pipeline: Pipeline = {
    open: false,
    executed: false,
    skipping: false,
    copyIn: 0,
    copying: false,
    doneAhead: 0,
  };
  readonly #client: Socket;
  readonly #target: Socket;
  readonly #options: RelayOptions;
  readonly #reader: FrameReader;
  readonly #messages: ClientMessages;
  readonly #ended = Promise.withResolvers<SessionEnd>();
  readonly #abort = new AbortController();
  #status: TransactionStatus = 'I';
  /** A client message is being waited for. */
  #busy = false;
  #over = false;
  #draining = false;
  /** Records that are not durable yet. */
  #undurable = 0;
  #backlog: { readonly chunk: Buffer; readonly arrived: number }[] = [];
  #backlogBytes = 0;
  #targetPaused = false;
  /** What is being scanned lies in the target's read buffer. */
  #lent = false;
  /** The client's socket still writes from the target's read buffer. */
  #lending = false;
  #toClient: Buffer[] = [];
  /** What was written to the client ends inside a row. */
  #insideRow = false;
  readonly #outbox: Outbox;
  #outboxWaiters: (() => void)[] = [];
  #durableWaiters: (() => void)[] = [];
  #settledWaiters: (() => void)[] = [];
  #consent: AbortController | undefined;
  /** A cancel request is on its way: nothing may be sent that it could hit instead. */
  #cancelling: Promise<void> | undefined;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.session = options.session;
    this.#client = options.client;
    this.#target = options.target.socket;
    this.#reader = new FrameReader(frontendLimit(options.limits));
    this.#outbox = new Outbox(
      () => this.flushTarget(),
      () => this.ledgerLost(),
    );
    this.replies = new Replies(this);
    this.judge = new Judge(this.session, () => this.ledgerLost());
    this.asking = this.#makeAsking();
    const { planner, context, refreshCatalog } = options;
    this.pseudonymKey = new PseudonymKey(this);
    this.names = new SessionNames({ core: this, planner, context, refreshCatalog });
    this.look = new SecondLook(this.session, this.names);
    this.gate = new ResultGate(this.session, this.names);
    const encoding = options.target.parameters.get('client_encoding') ?? 'UTF8';
    this.#messages = new ClientMessages(this, encoding, () => this.end('terminated'));
  }

  /** Resolves with the reason when the session is over. */
  run(): Promise<SessionEnd> {
    const client = this.#client;
    const target = this.#target;
    const clientClosed = () => this.end('client-closed');
    const targetClosed = () => this.#targetLost();
    // What waits must not lie in memory that the next read overwrites; messages of clients are short.
    if (!lendReads(client, CLIENT_READ, (bytes) => this.#clientData(Buffer.from(bytes))))
      client.on('data', (chunk: Buffer) => this.#clientData(chunk));
    for (const event of ['error', 'end', 'close']) client.on(event, clientClosed);
    client.on('drain', () => this.#targetMayFlow());
    if (
      !lendReads(target, TARGET_READ, (bytes) => {
        const lent = bytes.length > COPY_BELOW;
        this.#targetData(lent ? bytes : Buffer.from(bytes), lent);
      })
    )
      target.on('data', (chunk: Buffer) => this.#targetData(chunk, false));
    for (const event of ['error', 'close']) target.on(event, targetClosed);
    target.on('drain', () => this.#clientMayFlow());
    if (this.#options.early.length > 0) this.#clientData(this.#options.early);
    target.resume();
    client.resume();
    return this.#ended.promise;
  }

  get ended(): Promise<unknown> {
    return this.#ended.promise;
  }

  get over(): boolean {
    return this.#over;
  }

  get state(): NonNullable<LiveSession['state']> {
    if (this.#over) return 'closing';
    if (this.#consent) return 'waiting-for-approval';
    return this.replies.queue.size > 0 || this.#busy || this.#status !== 'I' ? 'active' : 'idle';
  }

  /** Ends the session; a last message for the client, when it should know why. */
  end(reason: SessionEnd, farewell?: Refusal): void {
    if (this.#over) return;
    // What was judged and recorded before the client left still reaches the target, as it would directly.
    if (reason === 'terminated' || reason === 'client-closed') this.flushTarget();
    this.#over = true;
    this.replies.close();
    this.judge.flushEnds();
    this.#abort.abort();
    for (const wake of [
      ...this.#settledWaiters.splice(0),
      ...this.#outboxWaiters.splice(0),
      ...this.#durableWaiters.splice(0),
    ])
      wake();
    // Inside a row there is no place for it: the client would take it for a part of the row, or lose its way.
    if (farewell && !this.#insideRow && this.#client.writable) this.#client.write(encodeRefusal(farewell, 'FATAL'));
    this.#client.destroySoon();
    if (reason !== 'target-lost' && this.#target.writable) this.#target.write(frontend.terminate());
    this.#target.destroySoon();
    this.#ended.resolve(reason);
  }

  /** Ends the session at once when nothing runs, else as soon as its transaction is over. */
  drain(): void {
    this.#draining = true;
    this.#endIfDrained();
  }

  #endIfDrained(): void {
    if (!this.#draining || this.#status !== 'I' || this.#busy || this.replies.queue.size > 0) return;
    this.end(
      'shutdown',
      refusal('shutting-down', 'gatehouse: the gateway is shutting down', { hint: 'Connect again.' }),
    );
  }

  /** The client's cancel request: ends a wait for consent, or asks the target. */
  async cancel(): Promise<void> {
    if (this.#consent) this.#consent.abort();
    else this.cancelTarget();
    await this.#cancelling;
  }

  // --- client → target ----------------------------------------------------------------------------------------------------

  #clientData(chunk: Buffer): void {
    if (this.#over) return;
    this.#reader.push(chunk);
    if (this.#busy && this.#reader.buffered > LOOK_AHEAD) this.#client.pause();
    this.#pump();
  }

  #pump(): void {
    while (!this.#busy && !this.#over) {
      let waiting: Promise<void> | undefined;
      try {
        if (this.#cancelling) waiting = this.#cancelling;
        else if (this.replies.queue.size > MOST_OUTSTANDING) waiting = this.settled();
        else if (this.#undurable > MOST_UNDURABLE) waiting = this.#allDurable();
        else if (this.#betweenTransactions && this.pseudonymKey.due) waiting = this.#renewKey();
        else {
          const frame = this.#reader.next();
          if (!frame) break;
          waiting = this.#messages.handle(frame);
        }
      } catch (error) {
        this.#clientViolation(error);
        return;
      }
      if (!waiting) continue;
      this.#busy = true;
      if (this.#reader.buffered > LOOK_AHEAD) this.#client.pause();
      waiting.then(
        () => this.#goOn(),
        (error: unknown) => this.#failed(error),
      );
    }
    this.flushTarget();
  }

  /** As far as is known here: replies that are outstanding may say something else. */
  get #betweenTransactions(): boolean {
    const { open, skipping, copyIn } = this.pipeline;
    const { nextType } = this.#reader;
    const begins = nextType !== undefined && nextType !== TERMINATE;
    return this.#status === 'I' && !open && !skipping && copyIn === 0 && begins;
  }

  async #renewKey(): Promise<void> {
    await this.settled();
    if (!this.#over && this.#betweenTransactions) await this.pseudonymKey.renew();
  }

  #goOn(): void {
    this.#busy = false;
    if (this.#over) return;
    this.#pump();
    this.#clientMayFlow();
    this.#endIfDrained();
  }

  #clientMayFlow(): void {
    if (!this.#busy && !this.#over && !this.#target.writableNeedDrain) this.#client.resume();
  }

  #clientViolation(error: unknown): void {
    const what = error instanceof Error ? error.message : String(error);
    this.session.services.log.warn({ session: this.session.id, error }, 'the client broke the protocol; session ended');
    this.end('protocol-violation', refusal('protocol-violation', `gatehouse: protocol violation: ${what}`));
  }

  #failed(error: unknown): void {
    if (this.#over) return;
    this.session.services.log.error(
      { session: this.session.id, error },
      'a statement could not be handled; session ended',
    );
    this.end('internal-error', refusal('internal-error', 'gatehouse: internal error; the statement was not forwarded'));
  }

  get aloneBeforeSync(): boolean {
    return this.#status === 'I' && !this.pipeline.executed && this.#reader.nextType === SYNC;
  }

  forward(permit: ForwardPermit): void {
    this.#outbox.add(permit);
  }

  forwardWhen(permit: Promise<ForwardPermit>): Promise<void> | undefined {
    this.#outbox.addWhen(permit);
    if (this.#outbox.waiting < MOST_WAITING) return undefined;
    return new Promise((resolve) => this.#outboxWaiters.push(resolve));
  }

  flushTarget(): void {
    if (this.#over) return;
    const buffers = this.#outbox.take();
    if (buffers.length > 0 && !write(this.#target, buffers)) this.#client.pause();
    if (this.#outbox.waiting < MOST_WAITING) for (const wake of this.#outboxWaiters.splice(0)) wake();
  }

  async settled(): Promise<void> {
    if (this.pipeline.open && this.replies.queue.size > 0) this.forward(permitHousekeeping(frontend.flush()));
    this.flushTarget();
    if (this.replies.queue.size === 0 || this.#over) return;
    await new Promise<void>((resolve) => this.#settledWaiters.push(resolve));
  }

  holdRepliesFor(record: number): void {
    this.#undurable += 1;
    this.session.services.sink.whenDurable(record, this.#durability);
  }

  /** Told once for each record that replies are held for. */
  readonly #durability: DurableWaiter = {
    durable: () => {
      this.#undurable -= 1;
      if (this.#undurable > 0) return;
      for (const wake of this.#durableWaiters.splice(0)) wake();
      this.#targetMayFlow();
    },
    lost: () => this.ledgerLost(),
  };

  #allDurable(): Promise<void> {
    return new Promise((resolve) => this.#durableWaiters.push(resolve));
  }

  ledgerLost(): void {
    if (this.#over) return;
    this.session.services.log.error({ session: this.session.id }, 'the ledger cannot be written; session ended');
    this.end(
      'ledger-unavailable',
      refusal('ledger-unavailable', 'gatehouse: the audit ledger cannot be written, so nothing may pass', {
        hint: 'Tell the operator of the gateway.',
      }),
    );
  }

  #makeAsking(): Asking {
    return {
      notice: (message, detail, hint) => {
        this.emit(encodeNotice(message, { detail, hint }));
        this.flush();
      },
      settle: () => this.settled(),
      begin: () => {
        this.#consent = new AbortController();
        return AbortSignal.any([this.#consent.signal, this.#abort.signal]);
      },
      end: () => {
        this.#consent = undefined;
      },
    };
  }

  // --- target → client ----------------------------------------------------------------------------------------------------

  /** `lent`: the bytes are overwritten by the next read. */
  #targetData(chunk: Buffer, lent: boolean): void {
    if (this.#over) return;
    const waits = this.#undurable > 0 || this.replies.stopped || this.#backlog.length > 0;
    const arrived = this.look.arrived(!waits);
    if (waits) {
      this.#backlog.push({ chunk: lent ? Buffer.from(chunk) : chunk, arrived });
      this.#backlogBytes += chunk.length;
      if (this.#backlogBytes > LOOK_AHEAD) this.#pauseTarget();
      return;
    }
    this.#lent = lent;
    this.#scan(chunk, arrived);
    this.#lent = false;
  }

  #scan(chunk: Buffer, arrived: number): void {
    this.look.reading(arrived);
    try {
      this.replies.push(chunk);
    } catch (error) {
      this.protocolViolation(error instanceof Error ? error.message : String(error));
    }
    if (!this.replies.stopped) this.#wakeSettled();
    else if (!this.replies.looking) this.#pauseTarget();
  }

  #pauseTarget(): void {
    if (this.#targetPaused) return;
    this.#targetPaused = true;
    this.#target.pause();
  }

  #targetMayFlow(): void {
    while (this.#backlog.length > 0 && this.#undurable === 0 && !this.replies.stopped && !this.#over) {
      const next = this.#backlog.shift();
      if (!next) break;
      this.#backlogBytes -= next.chunk.length;
      this.#scan(next.chunk, next.arrived);
    }
    const free = this.#backlog.length === 0 && this.#undurable === 0 && !this.replies.stopped;
    if (this.#targetPaused && free && !this.#lending && !this.#client.writableNeedDrain) {
      this.#targetPaused = false;
      this.#target.resume();
    }
  }

  #wakeSettled(): void {
    if (this.replies.queue.size > 0) return;
    for (const wake of this.#settledWaiters.splice(0)) wake();
  }

  #targetLost(): void {
    if (this.#over) return;
    if ((this.#backlog.length > 0 && this.#undurable > 0) || this.replies.looking) {
      setTimeout(() => this.#targetLost(), 20); // what the target said last is still waiting for its record, or a look
      return;
    }
    const { log } = this.session.services;
    log.warn(
      { session: this.session.id, connection: this.session.connection.name },
      'the target closed the connection',
    );
    const farewell = refusal('target-lost', 'gatehouse: the target server closed the connection', {
      hint: 'Connect again; a running transaction was rolled back.',
    });
    this.end('target-lost', this.replies.fatal ? undefined : farewell);
  }

  emit(bytes: Buffer): void {
    join(this.#toClient, bytes);
  }

  flush(): void {
    if (this.#toClient.length === 0) return;
    const buffers = this.#toClient;
    this.#toClient = [];
    this.#insideRow = this.replies.insideRow;
    if (!this.#client.writable) return;
    if (!write(this.#client, buffers, this.#lent ? this.#written : undefined)) this.#pauseTarget();
    if (!this.#lent || this.#client.writableLength === 0) return;
    // Some of it could not be sent at once: the read buffer is in use until it is.
    this.#lending = true;
    this.#pauseTarget();
  }

  readonly #written = (): void => {
    if (!this.#lending || this.#client.writableLength > 0) return;
    this.#lending = false;
    this.#targetMayFlow();
  };

  /** Consent was taken back: what is shown by it ends before its next row. */
  consentWithdrawn(request: string): void {
    const running = this.replies.queue.first;
    if (running?.runs[running.at]?.consents.includes(request)) this.replies.reconsider();
  }

  grant(run: Run): number {
    return this.judge.grant(run);
  }

  limitReached(run: Run): Promise<'continue' | Refusal> {
    return this.judge.limitReached(run, this.asking);
  }

  cancelTarget(): void {
    const cancelling = this.#options.cancelTarget().finally(() => {
      if (this.#cancelling === cancelling) this.#cancelling = undefined;
    });
    this.#cancelling = cancelling;
  }

  counted(run: Run, rows: number): void {
    this.judge.delivered(run, rows);
  }

  runEnded(run: Run, outcome: RunOutcome, sqlstate?: string): void {
    this.judge.runEnded(run, outcome, sqlstate);
    if (outcome === 'ok' || outcome === 'suspended') this.objects.apply(run.plan, run.planned, run.portal);
    if (run.planned.statement.verb === 'copy-from') {
      this.#messages.copyIn.ended(run);
      this.#messages.copies.ended(run);
      this.pipeline.copyIn -= 1;
      this.pipeline.copying = false;
      if (this.pipeline.copyIn === 0) this.pipeline.doneAhead = 0;
    }
  }

  refreshForWitness(): Promise<void> {
    return this.names.refreshCatalog();
  }

  maskViolation(plan: Plan | undefined): void {
    const { log, metrics } = this.session.services;
    log.error(
      { session: this.session.id, critical: true },
      'a hidden column was about to leave; cut off before its first row',
    );
    metrics.count('mask_violations_total');
    this.#alert('mask-violation', 'critical', plan);
    this.end(
      'mask-violation',
      refusal('mask-violation', 'gatehouse: the result would have shown a hidden column; nothing of it was delivered', {
        hint: 'The catalog changed while the statement ran. Connect again; if it happens again, tell the operator.',
      }),
    );
  }

  namesChanged(run: Run | undefined, why: 'changed' | 'unknown', state: Doubtful): Refusal | undefined {
    const { log, metrics } = this.session.services;
    metrics.count('names_changed_total');
    log.warn({ session: this.session.id, why }, 'names may have changed while a statement ran; its result was cut off');
    const statement = run?.planned.statement;
    if (state === 'failed' || (state === 'alone' && this.#status === 'I' && leavesNothing(statement)))
      return changedRefusal(why, true);
    // What it wrote may hold what it should not: only the end of the session takes that back, and not what was committed.
    this.#alert('names-changed', statement?.effect === 'change' ? 'critical' : 'warning', run?.plan);
    this.end('names-changed', changedRefusal(why, false));
    return undefined;
  }

  #alert(alert: string, severity: 'critical' | 'warning', plan: Plan | undefined): void {
    const statement = plan?.statements.flatMap((planned) => planned.hidden) ?? [];
    const recorded = this.session.record('alert.raised', { alert, severity }, statement);
    recorded.catch(() => this.ledgerLost());
  }

  parameterStatus(name: string, value: string): void {
    if (name === 'client_encoding') this.#messages.clientEncoding = value;
    else if (name === 'application_name') this.session.application = value;
  }

  mark(): number {
    return this.objects.mark();
  }

  ready(status: TransactionStatus, mark: number): void {
    this.#status = status;
    this.names.ready(status);
    if (status === 'I') this.objects.endTransaction(mark);
    this.#endIfDrained();
  }

  copyRefusal(run: Run, sqlstate: string | undefined): Refusal | undefined {
    return this.#messages.copies.refusalFor(run, sqlstate);
  }

  copyDisturbed(): boolean {
    if (!this.#messages.copies.disturbed) return false;
    this.flush();
    this.end(
      'protocol-violation',
      refusal('protocol-violation', 'terminating connection because protocol synchronization was lost'),
    );
    return true;
  }

  copyInBegins(run: Run | undefined): boolean {
    this.#messages.copies.begins(run);
    if (this.pipeline.doneAhead > 0) {
      this.pipeline.doneAhead -= 1;
      return false;
    }
    this.pipeline.copying = true;
    return true;
  }

  skipUntilSync(): void {
    this.pipeline.skipping = true;
  }

  abortTransaction(how: 'pipeline' | 'query'): void {
    if (how === 'pipeline') {
      this.replies.expect(expectation('refusal', { internal: true }));
      this.forward(permitHousekeeping(frontend.parse(REFUSED_NAME, REFUSED_TEXT)));
    } else {
      this.replies.expect(expectation('query', { silenced: true }));
      this.forward(permitHousekeeping(frontend.query(REFUSED_TEXT)));
    }
    this.flushTarget();
  }

  idle(): void {
    this.#targetMayFlow();
    this.#wakeSettled();
  }

  protocolViolation(what: string): void {
    this.session.services.log.error({ session: this.session.id, what }, 'the target broke the protocol; session ended');
    this.end('protocol-violation', refusal('target-lost', `gatehouse: the target server broke the protocol: ${what}`));
  }
}

/** Frames that lay side by side in one chunk go out as the one piece that they were. */
function join(buffers: Buffer[], bytes: Buffer): void {
  const last = buffers.at(-1);
  if (last && last.buffer === bytes.buffer && last.byteOffset + last.length === bytes.byteOffset) {
    buffers[buffers.length - 1] = Buffer.from(last.buffer, last.byteOffset, last.length + bytes.length);
  } else {
    buffers.push(bytes);
  }
}

/** `written` is called when bytes are sent; the last call is for the last of them. */
function write(socket: Socket, buffers: readonly Buffer[], written?: () => void): boolean {
  const [first] = buffers;
  if (buffers.length === 1 && first) return socket.write(first, written);
  let total = 0;
  for (const buffer of buffers) total += buffer.length;
  if (total <= JOIN_BELOW) return socket.write(Buffer.concat(buffers, total), written);
  socket.cork();
  let flowing = true;
  for (const buffer of buffers) flowing = socket.write(buffer, written);
  socket.uncork();
  return flowing;
}
