import type { CatalogSnapshot, Oid } from '../model/catalog.ts';
import type { HiddenRelations, MaskedRelation } from '../model/mask.ts';
import type { Refusal } from '../model/refusal.ts';
import type { Hazard, RelationSite, Script, SqlStatement } from '../model/statement.ts';

export interface Substituted {
  readonly text: string;
  readonly changed: boolean;
  /** 1-based character position in `text` → the one in the client's own text to which it belongs. */
  originalPosition(position: number): number;
}

/** Replace the bytes from `start` up to `end`. */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Characters that masking may add to a script: each reference brings all columns of its relation. */
const MAX_ADDED = 8_388_608;

const TOO_LONG: Refusal = {
  code: 'statement-too-large',
  message: 'The statement names relations with masked columns so often that it would become too long. Split it.',
};

/** Alias of the base relation inside the derived table; mask expressions name bare columns, so it only has to be unlikely as a column. */
const INNER = 'gatehouse_source';

/**
 * Rewrites a script for one principal: every reference to a relation with hidden columns becomes a derived table in which those
 * columns are expressions. Bytes outside the replaced references stay as they are. Pure; knows no grammar, only the byte offsets
 * that the analyser found. A hazard that applies to this principal becomes a refusal.
 */
export function substitute(
  script: Script,
  hidden: HiddenRelations,
  catalog: CatalogSnapshot,
): Substituted | { readonly refusal: Refusal } {
  const edits: Edit[] = [];
  for (const statement of script.statements) {
    const hazard = statement.hazards.find((candidate) => applies(candidate, hidden));
    if (hazard) return { refusal: refusalOf(hazard, hidden) };
    collect(statement, hidden, catalog, edits);
  }
  if (edits.length === 0) return unchanged(script.text);
  const added = edits.reduce((sum, edit) => sum + edit.text.length, 0);
  if (added > MAX_ADDED) return { refusal: TOO_LONG };
  return apply(script.text, edits);
}

/** Whether a hazard of a statement stands in the way of a principal from whom these relations' columns are hidden. */
function applies(hazard: Hazard, hidden: HiddenRelations): boolean {
  switch (hazard.applies) {
    case 'everyone':
      return true;
    case 'hidden-anywhere':
      return hidden.size > 0;
    case 'hidden-here':
      return (hazard.relations ?? []).some((oid) => {
        const masked = hidden.get(oid);
        return masked !== undefined && (hazard.columns === undefined || concerned(hazard, masked).length > 0);
      });
  }
}

/** Columns of the relation that are hidden and that the hazard is about. */
function concerned({ columns }: Hazard, { expressions }: MaskedRelation): readonly string[] {
  return [...expressions.keys()].filter((column) => columns === undefined || columns.has(column));
}

function refusalOf(hazard: Hazard, hidden: HiddenRelations): Refusal {
  const columns = (hazard.relations ?? []).flatMap((oid) => {
    const masked = hidden.get(oid);
    return masked ? concerned(hazard, masked) : [];
  });
  return {
    code: hazard.applies === 'everyone' ? 'statement-opaque' : 'statement-unmaskable',
    message: hazard.message.replace('{columns}', () => [...new Set(columns)].join(', ')),
    // What the server itself would say is said in its words alone.
    ...(hazard.sqlstate === undefined ? { detail: `gatehouse: ${hazard.code}` } : { sqlstate: hazard.sqlstate }),
    ...(hazard.position === undefined ? {} : { position: hazard.position }),
  };
}

function collect(statement: SqlStatement, hidden: HiddenRelations, catalog: CatalogSnapshot, edits: Edit[]): void {
  const replaced = new Set<Oid>();
  for (const site of statement.sites) {
    const masked = maskedAt(site, hidden, catalog);
    if (!masked || masked.expressions.size === 0 || site.form === 'target' || site.form === 'behind') continue;
    replaced.add(site.relation);
    edits.push({ start: site.start, end: site.end, text: replacement(site, masked) });
    if (site.sampleRange) edits.push({ ...site.sampleRange, text: '' });
  }
  for (const qualifier of statement.qualifiers) {
    if (replaced.has(qualifier.relation)) edits.push({ start: qualifier.start, end: qualifier.end, text: '' });
  }
  for (const repair of statement.repairs) {
    if (replaced.has(repair.relation)) edits.push({ start: repair.at, end: repair.at, text: repair.text });
  }
}

type Replaced = Pick<MaskedRelation, 'relation' | 'expressions'>;

/** How the relation looks at this place: its hidden columns, and what it echoes of others. */
function maskedAt(site: RelationSite, hidden: HiddenRelations, catalog: CatalogSnapshot): Replaced | undefined {
  const masked = hidden.get(site.relation);
  const relation = masked?.relation ?? catalog.relations.get(site.relation);
  if (!relation || hidden.size === 0) return undefined;
  const expressions = new Map(masked?.expressions);
  for (const column of site.echoes ?? []) {
    // NULL of exactly the column's type, also where that is a pseudo-type such as anyarray.
    if (!expressions.has(column)) expressions.set(column, `CASE WHEN false THEN ${quoted(column)} END`);
  }
  // In system catalogs, columns that all may read stand beside some that only owners may: who names none of the echoing ones reads them
  // as they are.
  const { columns } = site;
  const names = columns === 'all' || [...expressions.keys()].some((column) => columns.has(column));
  if (relation.schema === 'pg_catalog' && !names) return undefined;
  return expressions.size === 0 ? undefined : { relation, expressions };
}

function replacement(site: RelationSite, masked: Replaced): string {
  const alias = site.hasAlias ? '' : ` ${quoted(site.correlationName)}`;
  const derived = `(${derivedTable(site, masked)})${alias}`;
  switch (site.form) {
    case 'table-command':
      return `SELECT * FROM ${derived}`;
    case 'copy': {
      const listed = site.copyColumns ?? [];
      // COPY of a whole table leaves generated columns out. https://www.postgresql.org/docs/current/sql-copy.html
      const columns =
        listed.length > 0
          ? listed
          : masked.relation.columns.filter((column) => !column.generated).map((column) => column.name);
      return `(SELECT ${columns.map(quoted).join(', ')} FROM ${derived})`;
    }
    default:
      return derived;
  }
}

function derivedTable(site: RelationSite, masked: Replaced): string {
  const { relation, expressions } = masked;
  const outputs = relation.columns.map((column) => {
    const expression = expressions.get(column.name);
    const name = quoted(column.name);
    return expression === undefined ? name : `${expression} AS ${name}`;
  });
  for (const column of site.systemColumns) outputs.push(`${INNER}.${quoted(column)}`);
  // COPY reads the named table alone, without its children.
  const only = site.only || (site.form === 'copy' && relation.kind === 'table') ? 'ONLY ' : '';
  const sample = site.sample === undefined ? '' : ` ${site.sample}`;
  return `SELECT ${outputs.join(', ')} FROM ${only}${quoted(relation.schema)}.${quoted(relation.name)} ${INNER}${sample}`;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function unchanged(text: string): Substituted {
  return { text, changed: false, originalPosition: (position) => position };
}

function apply(text: string, edits: readonly Edit[]): Substituted {
  const ordered = [...edits].sort((a, b) => a.start - b.start || a.end - b.end);
  const bytes = Buffer.from(text, 'utf8');
  const parts: string[] = [];
  /** Where kept pieces begin, in characters of the new and of the old text, and how long they are. */
  const pieces: { readonly fresh: number; readonly old: number; readonly length: number }[] = [];
  let at = 0;
  let fresh = 0;
  let old = 0;
  const keep = (end: number): void => {
    const piece = bytes.toString('utf8', at, end);
    const length = characters(piece);
    pieces.push({ fresh, old, length });
    parts.push(piece);
    fresh += length;
    old += length;
  };
  /** Where texts that were left out began: what follows in the new text stands for both. */
  const leftOut = new Map<number, number>();
  for (const edit of ordered) {
    // An edit inside an already replaced range cannot happen for well-formed sites; keeping the first is the masked one.
    if (edit.start < at) continue;
    keep(edit.start);
    if (edit.text === '' && !leftOut.has(fresh)) leftOut.set(fresh, old);
    parts.push(edit.text);
    fresh += characters(edit.text);
    old += characters(bytes.toString('utf8', edit.start, edit.end));
    at = edit.end;
  }
  keep(bytes.length);
  return {
    text: parts.join(''),
    changed: true,
    originalPosition: (position) => {
      const before = leftOut.get(position - 1);
      if (before !== undefined) return before + 1;
      let best = 1;
      for (const piece of pieces) {
        const into = position - 1 - piece.fresh;
        if (into < 0) break;
        best = piece.old + Math.min(into, piece.length) + 1;
      }
      return best;
    },
  };
}

/** PostgreSQL counts characters, not UTF-16 units. */
function characters(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
