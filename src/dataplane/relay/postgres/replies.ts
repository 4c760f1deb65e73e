import type { Refusal } from '../../../model/refusal.ts';
import { type Frame, FrameScanner, frameOf, type ScanSink } from '../../../wire/bytes/index.ts';
import {
  backend,
  encodeRefusal,
  parseBackend,
  refusalTable,
  type TransactionStatus,
} from '../../../wire/postgres/index.ts';
import type { Plan } from '../../plan.ts';
import { DetectedResult } from './detected-result.ts';
import { type Expectation, ExpectationQueue, type Run } from './expectation.ts';
import type { ResultGate } from './result-gate.ts';
import type { Doubtful, SecondLook } from './second-look.ts';

/** Message type bytes of the target, https://www.postgresql.org/docs/18/protocol-message-formats.html */
const PARSE_COMPLETE = 0x31; // 1
const BIND_COMPLETE = 0x32; // 2
const CLOSE_COMPLETE = 0x33; // 3
const NOTIFICATION = 0x41; // A
const COMMAND_COMPLETE = 0x43; // C
const DATA_ROW = 0x44; // D
const ERROR = 0x45; // E
const COPY_IN = 0x47; // G
const COPY_OUT = 0x48; // H
const EMPTY_QUERY = 0x49; // I
const NOTICE = 0x4e; // N
const PARAMETER_STATUS = 0x53; // S
const ROW_DESCRIPTION = 0x54; // T
const FUNCTION_RESULT = 0x56; // V
const READY = 0x5a; // Z
const COPY_DONE = 0x63; // c
const COPY_DATA = 0x64; // d
const NO_DATA = 0x6e; // n
const PORTAL_SUSPENDED = 0x73; // s
const PARAMETER_DESCRIPTION = 0x74; // t

/** Messages that tell something of rows, even if only how many there are or what is wrong with one. */
const TELLING: ReadonlySet<number> = new Set([
  ...[COMMAND_COMPLETE, PORTAL_SUSPENDED, COPY_DONE, FUNCTION_RESULT, ERROR, NOTICE],
]);

/** Longest message other than a row that the gateway holds whole. */
const MAX_MESSAGE = 16 * 1024 * 1024;
/** PostgreSQL's own bound on a message (MaxAllocSize). */
const MAX_ROW = 0x3fffffff;

export type RunOutcome = 'ok' | 'error' | 'cut' | 'cancelled' | 'suspended' | 'skipped';

/** What the reader of replies asks and tells; implemented by the relay. */
export interface ReplyHost {
  /** Bytes for the client, in order. Called many times per chunk; `flush` follows. */
  emit(bytes: Buffer): void;
  flush(): void;
  /** Rows that may leave now for a limited run: 0 when consent is needed first. */
  grant(run: Run): number;
  /** The run has used its last granted row and the target has more. Resolves to go on, or to the refusal that ends the result. */
  limitReached(run: Run): Promise<'continue' | Refusal>;
  /** Asks the target to stop the running statement. */
  cancelTarget(): void;
  counted(run: Run, rows: number): void;
  runEnded(run: Run, outcome: RunOutcome, sqlstate?: string): void;
  readonly gate: ResultGate;
  refreshForWitness(): Promise<void>;
  maskViolation(plan: Plan | undefined): void;
  readonly look: SecondLook;
  /**
   * Names may mean something else for the target than they did for the plan (`unknown`: nobody could look), so nothing of the answer is
   * shown. Gives the refusal in its place; undefined when the session was ended.
   */
  namesChanged(run: Run | undefined, why: 'changed' | 'unknown', state: Doubtful): Refusal | undefined;
  parameterStatus(name: string, value: string): void;
  /** `mark`: when the message was sent that this ends. */
  ready(status: TransactionStatus, mark: number): void;
  /** A point in the order of messages. */
  mark(): number;
  /** The target takes COPY data now. False when the client has already said that it is done. */
  copyInBegins(run: Run | undefined): boolean;
  /** What the client is told in the place of an error that the gateway's own CopyFail brought about. */
  copyRefusal(run: Run, sqlstate: string | undefined): Refusal | undefined;
  /** Behind that the session is over, as it is directly. False when nothing of the kind has happened. */
  copyDisturbed(): boolean;
  /** The target refused an extended-protocol message: it ignores everything until Sync. */
  skipUntilSync(): void;
  /** A cut result completed before the target could be stopped: make it forget the transaction as after any error. */
  abortTransaction(how: 'pipeline' | 'query'): void;
  /** No reply is outstanding. */
  idle(): void;
  protocolViolation(what: string): void;
}

/**
 * Reads the target's answers, relates each to the message that caused it, and lets through what may pass: rows within their grant,
 * messages gated for what they echo, nothing that nobody asked for.
 */
export class Replies implements ScanSink {
  readonly queue = new ExpectationQueue();
  readonly #host: ReplyHost;
  readonly #scanner: FrameScanner;
  /** Why scanning stands still; chunks wait in `#backlog` meanwhile. */
  #stopped = false;
  #pausing: (() => Promise<boolean>) | undefined;
  #closed = false;
  #fatal = false;
  /** Rows that may begin once what they are is sure. */
  #granted = 0;
  #looking = false;
  /** Statements that ran since the target was last ready. */
  #executions = 0;

  constructor(host: ReplyHost) {
    this.#host = host;
    this.#scanner = new FrameScanner({
      limit: (type) => (type === DATA_ROW || type === COPY_DATA ? MAX_ROW : MAX_MESSAGE),
      streamed: (type) => type === DATA_ROW || type === COPY_DATA,
    });
  }

  /** Something about the running result has changed: its next row is asked for anew. */
  reconsider(): void {
    if (this.#run()?.limited) this.#scanner.allow(0);
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** A look at the catalog is under way before more is read. */
  get looking(): boolean {
    return this.#looking;
  }

  /** A row for the client has begun and not ended: nothing else may be written to him. */
  get insideRow(): boolean {
    const head = this.queue.first;
    if (!this.#scanner.insideFrame || !head || head.capture || head.silenced) return false;
    return head.runs[head.at]?.cut === undefined;
  }

  /** The target has said itself why it will close the connection. */
  get fatal(): boolean {
    return this.#fatal;
  }

  close(): void {
    this.#closed = true;
  }

  expect(item: Expectation): void {
    const first = this.queue.size === 0;
    item.mark = this.#host.mark();
    this.#host.look.expect(item);
    this.queue.push(item);
    if (first) this.#enter();
  }

  /** Takes one chunk of the target's bytes. While `stopped` is true afterwards, no further chunk may be given. */
  push(chunk: Buffer): void {
    const head = this.queue.first;
    if (head && this.#scanner.allowed > 0 && this.#host.look.isLate(head)) this.#allow(this.#scanner.allowed);
    const finished = this.#scanner.push(chunk, this);
    this.#host.flush();
    if (!finished) this.#whyStopped();
  }

  #resume(): void {
    if (this.#closed) return;
    this.#stopped = false;
    const finished = this.#scanner.resume(this);
    this.#host.flush();
    if (!finished) this.#whyStopped();
  }

  #whyStopped(): void {
    if (this.#closed) return;
    this.#stopped = true;
    const pausing = this.#pausing;
    if (pausing) {
      this.#pausing = undefined;
      this.#resumeAfter(pausing());
      return;
    }
    const run = this.#run();
    const head = this.queue.first;
    if (!run || !head) {
      this.#host.protocolViolation('rows that nobody asked for');
      return;
    }
    if (!this.#host.look.isSure(head)) {
      this.#resumeAfter(this.#ascertain(head, true));
      return;
    }
    const granted = this.#host.grant(run);
    if (granted > 0) {
      this.#scanner.allow(granted);
      this.#resume();
      return;
    }
    const answered = this.#host.limitReached(run).then((answer) => {
      if (this.#closed) return false;
      if (answer === 'continue') this.#scanner.allow(this.#host.grant(run));
      else this.#cut(run, answer);
      return true;
    });
    this.#resumeAfter(answered);
  }

  /** Goes on when that says so. What was kept back is judged only then, and may be no message of the protocol. */
  #resumeAfter(goOn: Promise<boolean>): void {
    goOn
      .then((may) => {
        if (!may) return;
        this.#resume();
        if (!this.#stopped) this.#host.idle();
      })
      .catch((error: unknown) => this.#host.protocolViolation(error instanceof Error ? error.message : String(error)));
  }

  /** The rest of this result does not leave; the client gets the reason in its place. */
  #cut(run: Run | undefined, refusal: Refusal, running = true): void {
    if (run) run.cut = refusal;
    const head = this.queue.first;
    if (head) head.silenced = true;
    this.#host.emit(encodeRefusal(refusal, 'ERROR'));
    this.#host.flush();
    this.#scanner.allow(Number.POSITIVE_INFINITY);
    if (running) this.#host.cancelTarget();
  }

  /** Makes sure of what is being read, or puts a refusal in its place. `running`: more will come of it. False when the session is over. */
  async #ascertain(head: Expectation, running: boolean, failed = false): Promise<boolean> {
    this.#looking = true;
    const found = await this.#host.look.settle(head);
    this.#looking = false;
    if (this.#closed) return false;
    if (found === 'same') return true;
    const run = head.runs[head.at];
    const state = failed ? 'failed' : this.#isAlone(head) ? 'alone' : 'among-others';
    const refusal = this.#host.namesChanged(run, found, state);
    if (refusal === undefined) return false;
    this.#cut(run, refusal, running);
    return true;
  }

  /** Nothing has run that would stand or fall together with the head, nor will behind it. */
  #isAlone(head: Expectation): boolean {
    if (head.kind === 'execute') return this.#executions === 0 && this.queue.second?.kind === 'sync';
    return head.runs.length === 1;
  }

  /** Keeps a message back until it is known whether it may be shown. */
  #keepBack(head: Expectation, frame: Frame): false {
    const kept = frameOf(Buffer.from(frame.bytes)); // outlives this chunk
    const failed = frame.type === ERROR;
    const running = frame.type === NOTICE || frame.type === COPY_DONE;
    this.#pausing = async () => {
      if (!(await this.#ascertain(head, running, failed))) return false;
      if (this.frame(kept)) return true;
      this.#whyStopped();
      return false;
    };
    return false;
  }

  /** So many rows of the head may begin, once what they are is sure. */
  #allow(rows: number): void {
    const head = this.queue.first;
    const sure = head === undefined || this.#host.look.isSure(head);
    this.#granted = sure ? 0 : rows;
    this.#scanner.allow(sure ? rows : 0);
  }

  // --- ScanSink -----------------------------------------------------------------------------------------------------------

  run(type: number, bytes: Buffer, completed: number): void {
    const head = this.queue.first;
    if (!head) {
      this.#host.protocolViolation('rows that nobody asked for');
      return;
    }
    if (head.capture) {
      head.capture.push(Buffer.from(bytes));
      return;
    }
    const run = head.runs[head.at];
    if (!run || run.cut || head.silenced) return;
    if (head.kind === 'query' && !head.described && run.plan.view.hidden.size > 0) {
      this.#host.protocolViolation('rows whose columns were not described');
      return;
    }
    run.rows += completed;
    run.bytes += bytes.length;
    if (completed > 0) this.#host.counted(run, completed);
    // Detectors begin with a result or not at all: in the middle of a row nobody could tell where its values lie.
    const detected = run.detected ?? (run.bytes === bytes.length ? this.#detectors(head, run, type) : undefined);
    if (detected === undefined) this.#host.emit(bytes);
    else this.#detect(detected, run, bytes);
  }

  /** Rows on their way through the detectors. */
  #detect(detected: DetectedResult, run: Run, bytes: Buffer): void {
    for (const piece of detected.push(bytes)) if (piece.length > 0) this.#host.emit(piece);
    const { refusedBy } = detected;
    if (refusedBy !== undefined) this.#cut(run, this.#host.gate.detectedRefusal(refusedBy));
  }

  #detectors(head: Expectation, run: Run, type: number): DetectedResult | undefined {
    const { detection } = this.#host.gate;
    if (detection === undefined) return undefined;
    run.detected = new DetectedResult(detection, type, head.columns ?? this.#host.gate.columnsOf(run));
    return run.detected;
  }

  /** The granted rows have left and another one begins. */
  more(): number {
    const head = this.queue.first;
    const run = this.#run();
    if (!run || (head && !this.#host.look.isSure(head))) return 0;
    const granted = this.#granted;
    this.#granted = 0;
    return granted > 0 ? granted : run.limited ? this.#host.grant(run) : 0;
  }

  frame(frame: Frame): boolean {
    const head = this.queue.first;
    if (head && TELLING.has(frame.type) && !this.#host.look.isSure(head)) return this.#keepBack(head, frame);
    switch (frame.type) {
      case PARSE_COMPLETE:
        return this.#complete('parse', frame);
      case BIND_COMPLETE:
        return this.#complete('bind', frame);
      case CLOSE_COMPLETE:
        return this.#complete('close', frame);
      case PARAMETER_DESCRIPTION:
        return this.#pass(frame);
      case NO_DATA:
        return this.#complete('describe', frame);
      case ROW_DESCRIPTION:
        return this.#rowDescription(frame);
      case COPY_IN:
        return this.#copyIn(frame);
      case COPY_OUT:
        return this.#copyOut(frame);
      case COPY_DONE: {
        const kept = this.#run()?.cut ? undefined : this.#run()?.detected?.end();
        if (kept !== undefined && kept.length > 0) this.#host.emit(kept);
        return this.#pass(frame);
      }
      case FUNCTION_RESULT:
        this.#host.gate.detectInPlace(frame.bytes, 9);
        return this.#pass(frame);
      case COMMAND_COMPLETE:
      case EMPTY_QUERY:
        return this.#statementEnd(frame, 'ok');
      case PORTAL_SUSPENDED:
        return this.#statementEnd(frame, 'suspended');
      case ERROR:
        return this.#error(frame);
      case READY:
        return this.#ready(frame);
      case NOTICE:
      case NOTIFICATION:
      case PARAMETER_STATUS:
        return this.#asynchronous(frame);
      default:
        this.#host.protocolViolation(
          `message type 0x${frame.type.toString(16)} is not one a target sends in a session`,
        );
        return false;
    }
  }

  // --- one message each ---------------------------------------------------------------------------------------------------

  #run(): Run | undefined {
    const head = this.queue.first;
    return head?.runs[head.at];
  }

  #pass(frame: Frame): boolean {
    const head = this.queue.first;
    if (!head) return this.#unexpected(frame);
    if (!head.internal && !head.silenced) this.#host.emit(frame.bytes);
    return true;
  }

  /** In COPY the target ignores a Sync that was sent behind Execute: no answer to it will come. */
  #copyIn(frame: Frame): boolean {
    const begins = this.#host.copyInBegins(this.#run());
    if (begins && this.queue.first?.kind === 'execute') this.queue.dropBehindFirst('sync');
    return this.#pass(frame);
  }

  #copyOut(frame: Frame): boolean {
    const head = this.queue.first;
    const run = this.#run();
    if (head) head.described = true;
    if (head && run && this.#host.gate.detection !== undefined) {
      const message = parseBackend(frame);
      if (message.kind === 'copy-out') head.columns = this.#host.gate.copyColumns(run, message.format === 1);
    }
    return this.#pass(frame);
  }

  #unexpected(frame: Frame): false {
    this.#host.protocolViolation(`message ${String.fromCharCode(frame.type)} came without a question`);
    return false;
  }

  #complete(kind: Expectation['kind'], frame: Frame): boolean {
    const head = this.queue.first;
    if (head?.kind !== kind) return this.#unexpected(frame);
    if (!head.internal) this.#host.emit(frame.bytes);
    this.#shift('done');
    return true;
  }

  #shift(outcome: 'done' | 'failed'): void {
    const item = this.queue.shift();
    item?.settle?.(outcome);
    this.#enter();
  }

  /** A new head: its first run gets its rows. */
  #enter(): void {
    const run = this.#run();
    this.#allow(run?.limited ? this.#host.grant(run) : Number.POSITIVE_INFINITY);
  }

  #rowDescription(frame: Frame): boolean {
    const head = this.queue.first;
    if (!head) return this.#unexpected(frame);
    const described = () => {
      head.described = true;
      if (this.#host.gate.detection !== undefined && !head.capture) this.#remember(head, frame);
      if (isForClient(head)) this.#host.emit(frame.bytes);
      if (head.kind === 'describe') this.#shift('done');
    };
    if (head.capture || (head.plan && head.plan.view.hidden.size === 0)) {
      described();
      return true;
    }
    const message = parseBackend(frame);
    if (message.kind !== 'row-description') return this.#unexpected(frame);
    const judged = this.#host.gate.witness(message.fields, head.plan);
    if (judged === 'ok') {
      described();
      return true;
    }
    if (judged === 'violation') {
      this.#host.maskViolation(head.plan);
      return false;
    }
    const bytes = Buffer.from(frame.bytes); // outlives this chunk
    this.#pausing = async () => {
      await this.#host.refreshForWitness();
      if (this.#host.gate.witness(message.fields, head.plan) !== 'ok') {
        this.#host.maskViolation(head.plan);
        return false;
      }
      head.described = true;
      if (this.#host.gate.detection !== undefined) this.#remember(head, frameOf(bytes));
      if (isForClient(head)) this.#host.emit(bytes);
      if (head.kind === 'describe') this.#shift('done');
      return true;
    };
    return false;
  }

  /** Keeps the columns for the rows that follow, now or (extended protocol) with a later message. */
  #remember(head: Expectation, frame: Frame): void {
    const message = parseBackend(frame);
    if (message.kind !== 'row-description') return;
    head.columns = { fields: message.fields };
    if (head.kind === 'describe' && head.plan) this.#host.gate.described(head.plan, message.fields);
  }

  #statementEnd(frame: Frame, outcome: RunOutcome): boolean {
    const head = this.queue.first;
    if (!head || (head.kind !== 'execute' && head.kind !== 'query')) return this.#unexpected(frame);
    const run = head.runs[head.at];
    if (!head.internal && !head.silenced) this.#host.emit(frame.bytes);
    if (run) this.#endRun(run, run.cut ? 'cut' : outcome);
    if (frame.type === EMPTY_QUERY && head.kind === 'query') head.undo?.();
    if (head.kind === 'execute') {
      this.#executions += 1;
      const late = run?.cut !== undefined;
      this.#shift('done');
      // Behind a lone read its Sync is on the way already, and nothing was done that would have to be undone.
      if (late && this.queue.first?.kind !== 'sync') this.#host.abortTransaction('pipeline');
      return true;
    }
    head.described = false;
    head.columns = undefined;
    if (head.at < head.runs.length - 1) {
      head.at += 1;
      this.#enter();
    }
    return true;
  }

  #endRun(run: Run, outcome: RunOutcome, sqlstate?: string): void {
    if (run.ended) return;
    run.ended = true;
    this.#host.runEnded(run, outcome, sqlstate);
  }

  #error(frame: Frame): boolean {
    const head = this.queue.first;
    const message = parseBackend(frame);
    if (message.kind !== 'error-response') return this.#unexpected(frame);
    // https://www.postgresql.org/docs/18/protocol-error-fields.html: `V` is never translated.
    this.#fatal ||= message.fields.some(({ code, value }) => code === 'V' && (value === 'FATAL' || value === 'PANIC'));
    if (!head) {
      // A fatal error of the target's own accord, e.g. an administrator's command: it closes the connection after it.
      this.#host.emit(backend.errorResponse(this.#host.gate.fields(message.fields, undefined)));
      return true;
    }
    const run = head.runs[head.at];
    const said = message.fields.find((field) => field.code === 'C')?.value;
    const refused = run && (run.refused ?? this.#host.copyRefusal(run, said));
    const refusal = head.refusal ?? refused;
    const sqlstate = refused ? refusalTable[refused.code].sqlstate : said;
    if (run) this.#endRun(run, run.cut ? 'cut' : sqlstate === '57014' ? 'cancelled' : 'error', sqlstate);
    if (isForClient(head)) {
      this.#host.emit(
        refusal
          ? encodeRefusal(refusal, 'ERROR')
          : backend.errorResponse(this.#host.gate.fields(message.fields, head.plan)),
      );
    }
    if (refused && this.#host.copyDisturbed()) return false;
    if (head.kind === 'query' || head.kind === 'function-call') {
      head.undo?.();
      head.silenced = false; // only ReadyForQuery follows
      for (const later of head.runs.slice(head.at + 1)) this.#endRun(later, 'skipped');
      return true;
    }
    this.#dropUntilSync();
    return true;
  }

  /** After an error the target ignores every message up to Sync: so nobody waits for their replies any more. */
  #dropUntilSync(): void {
    this.#scanner.allow(Number.POSITIVE_INFINITY);
    const failed = this.queue.shift();
    // What the gateway refused in the target's place has had its effect on names; what was never read has not.
    const undos = failed?.kind === 'refusal' ? [] : [failed?.undo];
    failed?.settle?.('failed');
    for (;;) {
      const next = this.queue.first;
      if (!next || next.kind === 'sync') {
        for (const undo of undos.reverse()) undo?.();
        if (next) this.#enter();
        else this.#host.skipUntilSync();
        return;
      }
      this.queue.shift();
      undos.push(next.undo);
      for (const run of next.runs) this.#endRun(run, 'skipped');
      next.settle?.('failed');
    }
  }

  #ready(frame: Frame): boolean {
    const head = this.queue.first;
    if (!head || (head.kind !== 'sync' && head.kind !== 'query' && head.kind !== 'function-call'))
      return this.#unexpected(frame);
    const status = transactionStatus(frame.body[0]);
    this.#executions = 0;
    const late = head.kind === 'query' && head.runs.some((run) => run.cut !== undefined) && status === 'T';
    for (const run of head.runs) this.#endRun(run, run.cut ? 'cut' : 'ok');
    if (late) {
      // In an open transaction a refused statement leaves it failed, as any error does.
      this.#shift('done');
      this.#host.abortTransaction('query');
      return true;
    }
    if (!head.internal) this.#host.emit(frame.bytes);
    this.#shift('done');
    this.#host.ready(status, head.mark);
    return true;
  }

  #asynchronous(frame: Frame): boolean {
    const message = parseBackend(frame);
    if (message.kind === 'notice-response') {
      // What a server is set to log may be sent to clients too: of the gateway's own questions it would tell them the key.
      if (this.queue.first?.internal) return true;
      const fields = this.#host.gate.fields(message.fields, this.queue.first?.plan);
      this.#host.emit(fields === message.fields ? frame.bytes : backend.noticeResponse(fields));
      return true;
    }
    if (message.kind === 'notification') this.#host.gate.detectInPlace(frame.bytes, 9);
    if (message.kind === 'parameter-status') this.#host.parameterStatus(message.name, message.value);
    this.#host.emit(frame.bytes);
    return true;
  }
}

/** Errors and columns; the gateway's own messages have neither for the client, unless they stand in the place of his. */
function isForClient(head: Expectation): boolean {
  return (!head.internal || head.instead) && !head.silenced;
}

function transactionStatus(byte: number | undefined): TransactionStatus {
  return byte === 0x49 ? 'I' : byte === 0x54 ? 'T' : 'E';
}
