import { NO_UNMASKS } from '../approval/index.ts';
import type { StatementExplanation } from '../controlplane/index.ts';
import { labelled, parseCatalogText, type World } from '../dataplane/index.ts';
import { parseLabelFile } from '../masking/index.ts';
import type { AccessContext, Decision } from '../model/access.ts';
import type { GatewayConfig } from '../model/config.ts';
import type { Principal } from '../model/principal.ts';
import type { PolicySet, StatementAnswer, StatementAnswerer } from '../policy/index.ts';
import { createAnalyser, type StatementAnalyser } from '../statement/sql/postgres/index.ts';
import { explainStatement } from './explain-statement.ts';

interface Text {
  readonly name: string;
  readonly text: string;
}

export interface OfflineParts {
  readonly config: GatewayConfig;
  readonly policy: PolicySet;
  /** Label files of the folder. */
  readonly labels: readonly Text[];
  /** Exported catalogs; each says which connection it is of. */
  readonly catalogs: readonly Text[];
}

export interface OfflineQuestion {
  readonly connection: string;
  readonly statement: string;
  readonly principal: Principal;
  readonly context: AccessContext;
  readonly searchPath: readonly string[];
}

/**
 * Statements explained without a gateway and without a target: on exported catalogs, with the folder's own policies, labels and masks.
 * Labels that a running gateway remembers for renamed columns are not known here, nor is anybody's consent.
 */
export class Offline {
  readonly #parts: OfflineParts;
  readonly #analyser: StatementAnalyser;
  readonly #worlds = new Map<string, World>();

  private constructor(parts: OfflineParts, analyser: StatementAnalyser) {
    this.#parts = parts;
    this.#analyser = analyser;
    const files = parts.labels.flatMap(({ name, text }) => parseLabelFile(text, name).files);
    for (const { text } of parts.catalogs) {
      const catalog = parseCatalogText(text);
      this.#worlds.set(catalog.connection, labelled(catalog.connection, catalog, { files, analyser }));
    }
  }

  /** @throws CatalogError ERR_DATAPLANE_CATALOG_FILE */
  static async open(parts: OfflineParts): Promise<Offline> {
    return new Offline(parts, await createAnalyser({ maxBytes: parts.config.limits.maxStatementBytes }));
  }

  get connections(): readonly string[] {
    return [...this.#worlds.keys()].sort();
  }

  /** Undefined when there is no catalog of the connection. */
  explain({ connection, statement, ...asked }: OfflineQuestion): StatementExplanation | undefined {
    const world = this.#worlds.get(connection);
    if (world === undefined) return undefined;
    const { config, policy } = this.#parts;
    return explainStatement(this.#analyser, {
      ...{ ...asked, text: statement, world, policy, masks: config.masks, unmasks: NO_UNMASKS },
      role: config.connections.get(connection)?.credential.username ?? '',
    });
  }

  /** For statements in policy tests. */
  readonly answer: StatementAnswerer = ({ connection, ...asked }) => {
    const explained = this.explain({ connection, ...asked });
    if (explained !== undefined) return answerOf(explained);
    const known = this.connections.length === 0 ? 'none is' : `there is one of ${this.connections.join(', ')}`;
    return `no catalog of connection ${connection} is given (${known}); write one with: gatehouse catalog export ${connection}`;
  };
}

/** All statements of a text together: the first that is not forwarded decides, as it does when it runs. */
function answerOf({ refusal, statements }: StatementExplanation): StatementAnswer {
  const columns = statements.flatMap((statement) => statement.columns);
  const quoted = [...statements.flatMap(({ questions }) => questions), ...columns].flatMap(({ policies }) => policies);
  return {
    decision: refusal ? { effect: 'refuse', policies: [], reason: refusal.message } : decisionOf(statements),
    masked: [...new Set(columns.flatMap(({ column, masked }) => (masked ? [column] : [])))].sort(),
    spoke: [...new Set(quoted.map(({ id }) => id))],
  };
}

function decisionOf(statements: StatementExplanation['statements']): Decision {
  const all = statements.map(({ decision }) => decision);
  const closed = all.find(({ effect }) => effect === 'refuse') ?? all.find(({ effect }) => effect === 'hold');
  if (closed !== undefined) return denial(closed.effect === 'hold' ? 'hold' : 'refuse', closed);
  const policies = [...new Set(all.flatMap((decision) => decision.policies))].sort();
  const [least] = all.flatMap(({ rows }) => rows ?? []).sort((a, b) => a.most - b.most);
  if (least === undefined) return { effect: 'forward', policies };
  const then = denial(least.beyond, least);
  return { effect: 'forward', policies, allowance: { rows: least.most, then } };
}

function denial(
  effect: 'hold' | 'refuse',
  said: {
    readonly policies: readonly string[];
    readonly reason?: string | undefined;
    readonly approvers?: readonly string[] | undefined;
    readonly quorum?: number | undefined;
  },
): Exclude<Decision, { effect: 'forward' }> {
  const { policies, reason = '', approvers = [], quorum = 1 } = said;
  return effect === 'hold' ? { effect, policies, reason, approvers, quorum } : { effect, policies, reason };
}
