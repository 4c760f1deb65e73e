import type { CatalogAttachment, RowEvent } from '../../model/catalog.ts';
import { broken, Fields } from './fields.ts';
import type { Query } from './read.ts';

/*
 * What the server runs by itself: triggers, rules, defaults, constraints, policies and what foreign keys set off. To be asked under an
 * empty search_path, so that every name in an expression comes with its schema. The server's own triggers behind foreign keys are left
 * out: the keys stand here themselves. What is switched off has no events. https://www.postgresql.org/docs/current/catalogs.html
 */

const EVENTS: Readonly<Record<string, RowEvent>> = {
  select: 'select',
  insert: 'insert',
  update: 'update',
  delete: 'delete',
  truncate: 'truncate',
};
const KINDS: Readonly<Record<string, CatalogAttachment['kind']>> = {
  trigger: 'trigger',
  rule: 'rule',
  default: 'default',
  generated: 'generated',
  check: 'check',
  index: 'index',
  'partition-key': 'partition-key',
  policy: 'policy',
  domain: 'domain',
  cascade: 'cascade',
};

interface Source {
  readonly kind: string;
  readonly on: string;
  readonly events: string;
  readonly function?: string;
  /** SQL expression that writes out an expression tree; it may wait for a lock. */
  readonly text?: string;
  readonly to?: string;
  readonly becomes?: string;
  readonly from: string;
}

const lasting = (oid: string): string =>
  `JOIN pg_class c ON c.oid = ${oid} AND c.oid >= 16384 AND c.relpersistence <> 't'`;

const SOURCES: readonly Source[] = [
  {
    kind: "'trigger'",
    on: 't.tgrelid',
    events: `CASE WHEN t.tgenabled = 'D' THEN '' ELSE concat_ws(' ',
      CASE WHEN t.tgtype & 4 <> 0 THEN 'insert' END, CASE WHEN t.tgtype & 8 <> 0 THEN 'delete' END,
      CASE WHEN t.tgtype & 16 <> 0 THEN 'update' END, CASE WHEN t.tgtype & 32 <> 0 THEN 'truncate' END) END`,
    function: 't.tgfoid',
    text: "CASE WHEN t.tgqual IS NULL THEN '' ELSE pg_get_triggerdef(t.oid) END",
    from: `pg_trigger t ${lasting('t.tgrelid')} JOIN pg_proc p ON p.oid = t.tgfoid
      JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname <> 'pg_catalog' OR NOT t.tgisinternal`,
  },
  {
    kind: "'rule'",
    on: 'r.ev_class',
    events: `CASE WHEN r.ev_enabled = 'D' THEN '' WHEN r.ev_type = '1' THEN 'select' WHEN r.ev_type = '2' THEN 'update'
      WHEN r.ev_type = '3' THEN 'insert' ELSE 'delete' END`,
    text: 'pg_get_ruledef(r.oid)',
    from: `pg_rewrite r ${lasting('r.ev_class')} WHERE r.rulename <> '_RETURN'`,
  },
  {
    kind: "CASE WHEN a.attgenerated = '' THEN 'default' ELSE 'generated' END",
    on: 'd.adrelid',
    events: "CASE WHEN a.attgenerated = 'v' THEN 'select insert update' ELSE 'insert update' END",
    text: 'pg_get_expr(d.adbin, d.adrelid)',
    from: `pg_attrdef d ${lasting('d.adrelid')} JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum`,
  },
  {
    kind: "'check'",
    on: 'k.conrelid',
    events: "'insert update'",
    text: 'pg_get_expr(k.conbin, k.conrelid)',
    from: `pg_constraint k ${lasting('k.conrelid')} WHERE k.contype = 'c'`,
  },
  {
    kind: "'domain'",
    on: 'k.contypid',
    events: "''",
    text: 'pg_get_expr(k.conbin, 0)',
    from: "pg_constraint k WHERE k.contypid >= 16384 AND k.contype = 'c'",
  },
  {
    kind: "'domain'",
    on: 't.oid',
    events: "''",
    text: 'pg_get_expr(t.typdefaultbin, 0)',
    from: "pg_type t WHERE t.oid >= 16384 AND t.typtype = 'd' AND t.typdefaultbin IS NOT NULL",
  },
  {
    kind: "'index'",
    on: 'i.indrelid',
    events: "'insert update'",
    text: "concat_ws(', ', pg_get_expr(i.indexprs, i.indrelid), pg_get_expr(i.indpred, i.indrelid))",
    from: `pg_index i ${lasting('i.indrelid')} WHERE i.indexprs IS NOT NULL OR i.indpred IS NOT NULL`,
  },
  {
    kind: "'partition-key'",
    on: 'g.partrelid',
    events: "'insert update'",
    text: 'pg_get_expr(g.partexprs, g.partrelid)',
    from: `pg_partitioned_table g ${lasting('g.partrelid')} WHERE g.partexprs IS NOT NULL`,
  },
  {
    kind: "'policy'",
    on: 'y.polrelid',
    events: `CASE y.polcmd WHEN 'r' THEN 'select update delete' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update'
      WHEN 'd' THEN 'delete' ELSE 'select insert update delete' END`,
    text: "concat_ws(', ', pg_get_expr(y.polqual, y.polrelid), pg_get_expr(y.polwithcheck, y.polrelid))",
    from: `pg_policy y ${lasting('y.polrelid')} WHERE c.relrowsecurity AND (y.polqual IS NOT NULL OR y.polwithcheck IS NOT NULL)`,
  },
  ...(
    [
      ['delete', "CASE k.confdeltype WHEN 'c' THEN 'delete' ELSE 'update' END", "k.confdeltype IN ('c', 'n', 'd')"],
      ['update', "'update'", "k.confupdtype IN ('c', 'n', 'd')"],
      ['truncate', "'truncate'", 'true'],
    ] as const
  ).map(([event, becomes, where]) => ({
    kind: "'cascade'",
    on: 'k.confrelid',
    events: `'${event}'`,
    to: 'k.conrelid',
    becomes,
    from: `pg_constraint k ${lasting('k.confrelid')} WHERE k.contype = 'f' AND ${where}`,
  })),
];

/** One JSON array per row. Without texts nothing waits for a lock; what has none is not trusted. */
function attachmentsSql(texts: boolean): string {
  const rows = SOURCES.map(
    (source) => `SELECT json_build_array(${source.kind}, ${source.on}::int8, ${source.events},
      ${source.function ?? 'NULL'}::oid::int8, ${texts ? (source.text ?? 'NULL') : 'NULL'}, ${source.to ?? 'NULL'}::oid::int8,
      ${source.becomes ?? 'NULL'})::text AS attachment FROM ${source.from}`,
  );
  return `SELECT attachment FROM (${rows.join(' UNION ALL ')}) AS attached ORDER BY attachment COLLATE "C"`;
}

/** Everything attached to relations and domains, as the server wrote it. Inside the transaction of `readCatalog`. */
export async function readAttachments(query: Query): Promise<readonly string[]> {
  await query('SAVEPOINT attachments');
  let rows: (string | null)[][];
  try {
    rows = await query(attachmentsSql(true));
  } catch {
    await query('ROLLBACK TO SAVEPOINT attachments');
    rows = await query(attachmentsSql(false));
  }
  return rows.map(([text]) => text ?? '');
}

/** @throws CatalogError ERR_DATAPLANE_CATALOG_ANSWER when the row has another shape. */
export function parseAttachment(text: string): CatalogAttachment {
  const fields = new Fields(text, 7);
  const head = { kind: fields.word(KINDS), on: fields.number() };
  const events = fields
    .text()
    .split(' ')
    .filter((word) => word !== '')
    .map(eventNamed);
  const called = fields.optionalNumber();
  const source = fields.optionalText();
  const to = fields.optionalNumber();
  const becomes = fields.optionalText();
  return {
    ...head,
    events,
    ...(called === undefined ? {} : { function: called }),
    ...(source === undefined ? {} : { text: source }),
    ...(to === undefined ? {} : { to }),
    ...(becomes === undefined ? {} : { becomes: eventNamed(becomes) }),
  };
}

function eventNamed(word: string): RowEvent {
  const event = Object.hasOwn(EVENTS, word) ? EVENTS[word] : undefined;
  if (event === undefined) throw broken(`unknown event ${JSON.stringify(word)}`);
  return event;
}
