import { randomBytes } from 'node:crypto';
import type { ApprovalBinding, ApprovalDecision, ApprovalRequest } from '../model/approval.ts';
import type { JsonObject, JsonValue } from '../model/json.ts';
import type { Principal } from '../model/principal.ts';
import type { AuditKind, RecordSink } from '../model/record.ts';
import { bindingHash, bindingKey } from './binding.ts';
import { ApprovalError } from './errors.ts';
import {
  type ApprovalSettings,
  assertPending,
  assertReason,
  longestWindow,
  quorumMet,
  type Verdict,
  withDecision,
  withRevocation,
} from './rules.ts';
import type { ApprovalEntry, ApprovalFilter, ApprovalPage, ApprovalStore } from './store.ts';
import { Waiters } from './waiters.ts';

export interface ApprovalOptions {
  readonly store: ApprovalStore;
  readonly sink: RecordSink;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  /** A new, unguessable request id; `req_` and 96 random bits when absent. */
  readonly newId?: () => string;
  readonly settings: ApprovalSettings;
  /** Told of every request that was decided, ended or used up, once that is kept. MUST not throw. */
  readonly changed?: (request: ApprovalRequest) => void;
}

export interface OpenApproval {
  readonly requester: Principal;
  readonly binding: ApprovalBinding;
  readonly session: string;
  /** Groups named by `@approval`; one member of each has to consent. */
  readonly approvers: readonly string[];
  readonly quorum: number;
  /** The policy's reason. */
  readonly why: string;
  /** The requester's own reason: long enough, or empty where the client could not state one and the settings allow it. */
  readonly purpose: string;
  readonly tables: readonly string[];
  readonly labels: readonly string[];
  /** Values behind the binding's digest of parameters, for approvers to see. */
  readonly parameters?: readonly (string | null)[];
}

export interface Approvals {
  /**
   * Opens a request, or returns the pending one of the same requester with an equal binding.
   * @throws ApprovalError `ERR_APPROVAL_REASON_TOO_SHORT`, `ERR_APPROVAL_BAD_BINDING`, `ERR_APPROVAL_TOO_MANY`, `ERR_APPROVAL_NOT_RECORDED`
   */
  open(input: OpenApproval): Promise<ApprovalRequest>;
  /** Takes one person's verdict; recorded before it counts. @throws ApprovalError naming the rule that forbids it */
  decide(id: string, approver: Principal, verdict: Verdict): Promise<ApprovalRequest>;
  /** The requester takes his request back. @throws ApprovalError */
  cancel(id: string, requester: Principal, reason?: string): Promise<ApprovalRequest>;
  /**
   * Takes consent back before its end: no further use, and `changed` is told, so that what runs by it can be stopped. Whether this person
   * may is the caller's question. @throws ApprovalError `ERR_APPROVAL_NOT_IN_FORCE` when there is no consent to take back
   */
  revoke(id: string, by: Principal, reason: string): Promise<ApprovalRequest>;
  /**
   * Takes one use of a consent to exactly this binding, if there is one; the use is recorded before this resolves.
   * @throws ApprovalError `ERR_APPROVAL_NOT_RECORDED`: the use is spent, and nothing may be forwarded
   */
  consume(binding: ApprovalBinding): Promise<ApprovalRequest | undefined>;
  /** Resolves as soon as the request is no longer pending; rejects with the signal's reason when it aborts. */
  wait(id: string, signal?: AbortSignal): Promise<ApprovalRequest>;
  list(filter: ApprovalFilter, page: ApprovalPage): Promise<{ items: readonly ApprovalRequest[]; next?: string }>;
  /** @throws ApprovalError `ERR_APPROVAL_NOT_FOUND` */
  get(id: string): Promise<ApprovalRequest>;
  /** Ends what is overdue at `now` (milliseconds since the epoch); call it on a clock. @returns how many ended */
  expire(now?: number): Promise<number>;
}

const RETRIES = 8;

/** The life of approval requests: pending → approved | denied | expired | cancelled, approved → exhausted | expired | revoked, exhausted → revoked. */
export function createApprovals(options: ApprovalOptions): Approvals {
  const { store, sink, clock, settings } = options;
  const newId = options.newId ?? (() => `req_${randomBytes(12).toString('hex')}`);
  const waiters = new Waiters();
  /** One change at a time per request: the ledger then tells the edges in the order in which they happened. */
  const queues = new Map<string, Promise<unknown>>();

  function inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const turn = (queues.get(key) ?? Promise.resolve()).then(work, work);
    const settled = turn
      .catch(() => undefined)
      .then(() => {
        if (queues.get(key) === settled) queues.delete(key);
      });
    queues.set(key, settled);
    return turn;
  }

  async function entryOf(id: string): Promise<ApprovalEntry> {
    const entry = await store.get(id);
    if (entry !== undefined) return entry;
    throw new ApprovalError(
      'ERR_APPROVAL_NOT_FOUND',
      `There is no approval request ${id}. List the open ones with "gatehouse requests list".`,
    );
  }

  async function record(
    kind: AuditKind,
    request: ApprovalRequest,
    clear: JsonObject,
    hidden: Readonly<Record<string, JsonValue>>,
  ): Promise<number> {
    try {
      const recorded = await sink.append({
        kind,
        time: clock(),
        ...(request.session === '' ? {} : { session: request.session }),
        clear: {
          request: request.id,
          bind: request.bindingHash,
          state: request.state,
          approved: request.decisions.filter((decision) => decision.verdict === 'approve').length,
          quorum: request.quorum,
          ...clear,
        },
        hidden: Object.entries(hidden).map(([name, value]) => sink.conceal(name, value)),
      });
      return recorded.index;
    } catch (cause) {
      throw new ApprovalError(
        'ERR_APPROVAL_NOT_RECORDED',
        `Request ${request.id} was not changed, because the ledger could not record it. Ask the operator to look at the ledger.`,
        { cause },
      );
    }
  }

  /**
   * Computes the next state, records it, then puts it in place if nothing changed meanwhile (another process may decide too).
   * A decision that was recorded and then lost the race is recorded as void, so the ledger never claims what did not happen.
   */
  async function change(
    id: string,
    kind: AuditKind,
    step: (request: ApprovalRequest) => ApprovalRequest,
    evidence: (next: ApprovalRequest) => { clear: JsonObject; hidden: Readonly<Record<string, JsonValue>> },
  ): Promise<ApprovalRequest> {
    let lost: { request: ApprovalRequest; leaf: number } | undefined;
    for (let attempt = 0; attempt < RETRIES; attempt++) {
      const entry = await entryOf(id);
      let next: ApprovalRequest;
      try {
        next = step(entry.request);
      } catch (refused) {
        if (lost !== undefined)
          await record(kind, entry.request, { previous: entry.leaf, void: lost.leaf, outcome: 'void' }, {});
        throw refused;
      }
      if (next === entry.request) return next;
      const { clear, hidden } = evidence(next);
      const leaf = await record(kind, next, { previous: entry.leaf, ...clear }, hidden);
      if (await kept(kind, next, leaf, () => store.replace(entry.revision, next, leaf))) {
        options.changed?.(next);
        waiters.tell(next);
        return next;
      }
      lost = { request: next, leaf };
    }
    throw new ApprovalError('ERR_APPROVAL_CONFLICT', `Request ${id} is being changed by others. Try again.`);
  }

  async function assertRoom(requester: string): Promise<void> {
    const most = Math.min(500, settings.maxPending ?? 100);
    const { items } = await store.list({ state: 'pending', requester }, { limit: most });
    if (items.filter((one) => clock() < one.expiresAt).length < most) return;
    throw new ApprovalError(
      'ERR_APPROVAL_TOO_MANY',
      `You have ${most} requests open. Cancel those you no longer need, or wait until they are decided.`,
    );
  }

  /** Puts a recorded change in the store; when that fails, the ledger says that the record may have had no effect. */
  async function kept<T>(kind: AuditKind, request: ApprovalRequest, leaf: number, put: () => Promise<T>): Promise<T> {
    try {
      return await put();
    } catch (error) {
      await record(kind, request, { void: leaf, outcome: 'unknown' }, {}).catch(() => undefined);
      throw error;
    }
  }

  async function open(input: OpenApproval): Promise<ApprovalRequest> {
    const { requester, binding } = input;
    if (binding.requester !== requester.id) {
      throw new ApprovalError('ERR_APPROVAL_BAD_BINDING', 'The binding names another requester than the one who asks.');
    }
    const { seconds } = binding;
    if (
      seconds !== undefined &&
      !(Number.isSafeInteger(seconds) && seconds >= 1 && seconds <= longestWindow(settings))
    ) {
      throw new ApprovalError(
        'ERR_APPROVAL_BAD_CONDITIONS',
        `Consent can be asked for 1 to ${longestWindow(settings)} seconds, not for ${seconds}.`,
      );
    }
    const { uses } = binding;
    if (uses !== undefined && !(Number.isSafeInteger(uses) && uses >= 1 && uses <= (settings.maxUses ?? 1_000))) {
      throw new ApprovalError(
        'ERR_APPROVAL_BAD_CONDITIONS',
        `Consent can be asked for 1 to ${settings.maxUses ?? 1_000} uses, not for ${uses}.`,
      );
    }
    const unstated = input.purpose.trim() === '' && settings.purposeRequired !== true;
    const purpose = unstated ? '' : assertReason(input.purpose, settings.reasonMinLength);
    const key = bindingKey(binding);
    return inTurn(`open ${key}`, async () => {
      const pending = await store.findPending(requester.id, key);
      if (pending !== undefined && clock() < pending.request.expiresAt) return pending.request;
      if (pending !== undefined) await expireOne(pending.request.id, clock());
      await assertRoom(requester.id);
      const nonce = randomBytes(16).toString('base64url');
      const now = clock();
      const request: ApprovalRequest = {
        id: newId(),
        state: 'pending',
        bindingHash: bindingHash(binding, nonce),
        binding,
        nonce,
        requesterName: requester.name,
        requesterSubject: requester.subject,
        ...(requester.onBehalfOf === undefined ? {} : { onBehalfOf: requester.onBehalfOf }),
        session: input.session,
        approvers: [...new Set(input.approvers)].sort(),
        quorum: Math.max(1, Math.trunc(input.quorum)),
        why: input.why,
        purpose,
        tables: [...input.tables],
        labels: [...input.labels],
        ...(input.parameters === undefined ? {} : { parameters: [...input.parameters] }),
        createdAt: now,
        expiresAt: now + settings.expireSeconds * 1_000,
        decisions: [],
      };
      const leaf = await record(
        'approval.requested',
        request,
        { policies: binding.policies, labels: request.labels, exp: new Date(request.expiresAt).toISOString() },
        { actor: actorOf(requester), reason: purpose, bind: { ...binding, nonce }, ...given(request) },
      );
      const entry = { request, revision: 1, leaf };
      return (await kept('approval.requested', request, leaf, () => store.create(entry, key))).request;
    });
  }

  async function decide(id: string, approver: Principal, verdict: Verdict): Promise<ApprovalRequest> {
    await settle(id);
    return inTurn(id, () =>
      change(
        id,
        'approval.decided',
        (request) => withDecision(request, approver, verdict, clock(), settings),
        (next) => ({
          clear: {
            verdict: verdict.verdict,
            met: quorumMet(next),
            assurance: approver.credential.type,
            mfa: approver.mfa,
            ...grantClear(next),
          },
          hidden: { actor: actorOf(approver), reason: verdict.reason.trim(), decision: lastDecision(next) },
        }),
      ),
    );
  }

  async function cancel(id: string, requester: Principal, reason = ''): Promise<ApprovalRequest> {
    await settle(id);
    return inTurn(id, () =>
      change(
        id,
        'approval.decided',
        (request) => {
          if (request.binding.requester !== requester.id) {
            throw new ApprovalError(
              'ERR_APPROVAL_NOT_REQUESTER',
              `Only the person who asked can cancel request ${id}. To refuse it, deny it with a reason.`,
            );
          }
          assertPending(request, clock());
          return { ...request, state: 'cancelled' };
        },
        () => ({ clear: { verdict: 'cancel' }, hidden: { actor: actorOf(requester), reason } }),
      ),
    );
  }

  async function revoke(id: string, by: Principal, reason: string): Promise<ApprovalRequest> {
    await settle(id);
    return inTurn(id, () =>
      change(
        id,
        'grant.revoked',
        (request) => withRevocation(request, by, reason, clock(), settings),
        (next) => ({
          clear: { assurance: by.credential.type, ...grantClear(next) },
          hidden: { actor: actorOf(by), reason: next.revocation?.reason ?? '' },
        }),
      ),
    );
  }

  async function consume(binding: ApprovalBinding): Promise<ApprovalRequest | undefined> {
    const candidates = await store.findUsable(binding.requester, binding.resource, bindingKey(binding), clock());
    for (const { request } of candidates) {
      // The key only finds; consent is given to the hash, so the hash is what is compared.
      if (bindingHash(binding, request.nonce) !== request.bindingHash || !quorumMet(request)) continue;
      const taken = await store.consume(request.id, clock());
      if (taken === undefined) continue;
      await record(
        'approval.used',
        taken.request,
        { previous: taken.leaf, ...grantClear(taken.request) },
        { requester: taken.request.binding.requester },
      );
      options.changed?.(taken.request);
      return taken.request;
    }
    return undefined;
  }

  async function wait(id: string, signal?: AbortSignal): Promise<ApprovalRequest> {
    signal?.throwIfAborted();
    const waiting = waiters.wait(id, signal);
    try {
      // Asked after joining the waiters: a decision between the two can then not be missed.
      const request = await get(id);
      if (request.state !== 'pending') return request;
      let deadline: NodeJS.Timeout | undefined;
      let left = false;
      const arm = (): void => {
        if (left) return;
        const ms = Math.min(Math.max(20, request.expiresAt - clock() + 1), 2 ** 31 - 1);
        // Armed again when it rang early: clocks and timers need not agree.
        deadline = setTimeout(() => void settle(id).then(arm, arm), ms);
        deadline.unref();
      };
      arm();
      try {
        return await waiting.settled;
      } finally {
        left = true;
        clearTimeout(deadline);
      }
    } finally {
      waiting.leave();
    }
  }

  async function get(id: string): Promise<ApprovalRequest> {
    await settle(id);
    return (await entryOf(id)).request;
  }

  /** Expires one request if it is due, so nobody sees a pending request that nobody may decide any more. */
  async function settle(id: string): Promise<void> {
    const { request } = await entryOf(id);
    if (isDue(request, clock())) await expireOne(id, clock());
  }

  function expireOne(id: string, now: number): Promise<ApprovalRequest> {
    return inTurn(id, () =>
      change(
        id,
        'approval.expired',
        (request) => (isDue(request, now) ? { ...request, state: 'expired' } : request),
        (next) => ({ clear: grantClear(next), hidden: {} }),
      ),
    );
  }

  async function expire(now = clock()): Promise<number> {
    let ended = 0;
    for (;;) {
      const due = await store.due(now, 100);
      for (const { request } of due) {
        if ((await expireOne(request.id, now)).state === 'expired') ended++;
      }
      if (due.length < 100) return ended;
    }
  }

  return { open, decide, cancel, revoke, consume, wait, get, expire, list: (filter, page) => store.list(filter, page) };
}

function isDue(request: ApprovalRequest, now: number): boolean {
  if (request.state === 'pending') return now >= request.expiresAt;
  return request.state === 'approved' && request.grant !== undefined && now > request.grant.notAfter;
}

function grantClear(request: ApprovalRequest): JsonObject {
  const { grant } = request;
  if (grant === undefined) return {};
  return {
    uses: grant.uses,
    used: grant.used,
    exp: new Date(grant.notAfter).toISOString(),
    ...(grant.rowLimit === undefined ? {} : { row_limit: grant.rowLimit }),
  };
}

function actorOf(principal: Principal): JsonObject {
  return {
    uid: principal.id,
    name: principal.name,
    kind: principal.kind,
    groups: [...principal.groups],
    mfa: principal.mfa,
    ...(principal.onBehalfOf === undefined ? {} : { on_behalf_of: principal.onBehalfOf }),
  };
}

function given({ parameters }: ApprovalRequest): Readonly<Record<string, JsonValue>> {
  return parameters === undefined ? {} : { params: parameters };
}

function lastDecision(request: ApprovalRequest): JsonObject {
  const decision: ApprovalDecision | undefined = request.decisions.at(-1);
  if (decision === undefined) return {};
  return { at: decision.at, groups: [...decision.groups], conditions: { ...decision.conditions } };
}
