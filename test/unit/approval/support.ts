import { createHash, randomBytes } from 'node:crypto';
import {
  type ApprovalEntry,
  type ApprovalFilter,
  type ApprovalPage,
  type ApprovalStore,
  createApprovals,
} from '../../../src/approval/index.ts';
import type { ApprovalBinding } from '../../../src/model/approval.ts';
import type { Principal } from '../../../src/model/principal.ts';
import type { AuditRecord, RecordSink } from '../../../src/model/record.ts';

/** A store that keeps its promises in memory, with a turn of the event loop in every call so that races can happen. */
export class MemoryApprovalStore implements ApprovalStore {
  readonly entries = new Map<string, { entry: ApprovalEntry; key: string }>();

  async create(entry: ApprovalEntry, key: string): Promise<ApprovalEntry> {
    await Promise.resolve();
    const pending = this.#pending(entry.request.binding.requester, key);
    if (pending !== undefined) return pending;
    this.entries.set(entry.request.id, { entry, key });
    return entry;
  }

  async get(id: string): Promise<ApprovalEntry | undefined> {
    await Promise.resolve();
    return this.entries.get(id)?.entry;
  }

  async list(filter: ApprovalFilter, page: ApprovalPage): ReturnType<ApprovalStore['list']> {
    const items = [...this.entries.values()]
      .map(({ entry }) => entry.request)
      .filter((one) => filter.state === undefined || one.state === filter.state)
      .filter((one) => filter.requester === undefined || one.binding.requester === filter.requester);
    return { items: items.reverse().slice(0, page.limit) };
  }

  async findPending(requester: string, key: string): Promise<ApprovalEntry | undefined> {
    await Promise.resolve();
    return this.#pending(requester, key);
  }

  async findUsable(requester: string, resource: string, key: string, now: number): Promise<readonly ApprovalEntry[]> {
    await Promise.resolve();
    return [...this.entries.values()]
      .filter(
        (one) =>
          one.key === key &&
          one.entry.request.binding.requester === requester &&
          one.entry.request.binding.resource === resource &&
          usable(one.entry, now),
      )
      .map((one) => one.entry);
  }

  async replace(revision: number, request: ApprovalEntry['request'], leaf: number): Promise<boolean> {
    await Promise.resolve();
    const kept = this.entries.get(request.id);
    if (kept === undefined || kept.entry.revision !== revision) return false;
    kept.entry = { request, revision: revision + 1, leaf };
    return true;
  }

  async consume(id: string, now: number): Promise<ApprovalEntry | undefined> {
    await Promise.resolve();
    const kept = this.entries.get(id);
    const grant = kept?.entry.request.grant;
    if (kept === undefined || grant === undefined || !usable(kept.entry, now)) return undefined;
    const used = grant.used + 1;
    const { request, revision, leaf } = kept.entry;
    const state = used >= grant.uses ? 'exhausted' : request.state;
    kept.entry = { request: { ...request, state, grant: { ...grant, used } }, revision: revision + 1, leaf };
    return kept.entry;
  }

  async due(now: number, limit: number): Promise<readonly ApprovalEntry[]> {
    return [...this.entries.values()]
      .map(({ entry }) => entry)
      .filter(
        ({ request }) =>
          (request.state === 'pending' && request.expiresAt <= now) ||
          (request.state === 'approved' && request.grant !== undefined && request.grant.notAfter < now),
      )
      .slice(0, limit);
  }

  #pending(requester: string, key: string): ApprovalEntry | undefined {
    for (const { entry, key: kept } of this.entries.values()) {
      if (kept === key && entry.request.state === 'pending' && entry.request.binding.requester === requester)
        return entry;
    }
    return undefined;
  }
}

function usable({ request }: ApprovalEntry, now: number): boolean {
  const { grant } = request;
  return request.state === 'approved' && grant !== undefined && grant.notAfter >= now && grant.used < grant.uses;
}

/** A ledger in memory that can be told to fail. */
export class MemorySink implements RecordSink {
  readonly records: AuditRecord[] = [];
  failing = false;

  async append(record: AuditRecord): Promise<{ index: number }> {
    await Promise.resolve();
    if (this.failing) throw new Error('disk full');
    this.records.push(record);
    return { index: this.records.length - 1 };
  }

  conceal(name: string, value: unknown): { encoded: string; digest: string } {
    const encoded = Buffer.from(JSON.stringify([randomBytes(16).toString('base64url'), name, value])).toString(
      'base64url',
    );
    return { encoded, digest: createHash('sha256').update(encoded).digest('base64url') };
  }

  /** Name → value of what a record hides. */
  revealed(index: number): Record<string, unknown> {
    const hidden = this.records.at(index)?.hidden ?? [];
    return Object.fromEntries(
      hidden.map(({ encoded }) => {
        const [, name, value] = JSON.parse(Buffer.from(encoded, 'base64url').toString()) as [string, string, unknown];
        return [name, value];
      }),
    );
  }
}

export function principal(name: string, over: Partial<Principal> = {}): Principal {
  return {
    id: `idp|${name}`,
    issuer: 'https://idp.example',
    subject: name,
    name: `${name}@example.org`,
    kind: 'person',
    groups: [],
    mfa: true,
    credential: { type: 'token' },
    expiresAt: Number.MAX_SAFE_INTEGER,
    ...over,
  };
}

export function bindingOf(requester: Principal, over: Partial<ApprovalBinding> = {}): ApprovalBinding {
  return {
    v: 1,
    requester: requester.id,
    resource: 'shop',
    role: 'app',
    stmt: 'SELECT * FROM shop.salaries',
    params: '',
    policies: ['main#1'],
    masks: 'sha256:00@1',
    ...over,
  };
}

export function approvalBench(store: ApprovalStore = new MemoryApprovalStore()) {
  const sink = new MemorySink();
  const time = { now: Date.UTC(2026, 6, 1) };
  const approvals = createApprovals({
    store,
    sink,
    clock: () => time.now,
    settings: { expireSeconds: 3600, grantSeconds: 900, reasonMinLength: 5 },
  });
  const open = (requester: Principal, over: { approvers?: string[]; quorum?: number; stmt?: string } = {}) =>
    approvals.open({
      requester,
      binding: bindingOf(requester, over.stmt === undefined ? {} : { stmt: over.stmt }),
      session: 'ses_1',
      approvers: over.approvers ?? ['owners'],
      quorum: over.quorum ?? 1,
      why: 'Confidential tables need consent',
      purpose: 'quarterly report',
      tables: ['shop.salaries'],
      labels: ['confidential'],
    });
  return { approvals, sink, time, open, store };
}
