import { Document, visit } from 'yaml';
import type { LabelSource } from '../model/label.ts';

/** Labels that somebody wrote beside the data: in a comment, a security label or dbt metadata. */
export interface WrittenLabel {
  readonly schema: string;
  readonly relation: string;
  /** Absent: the relation itself. */
  readonly column?: string | undefined;
  readonly labels: readonly string[];
  /** `comment`, `security label`, `dbt`. */
  readonly source: string;
}

export interface LabelImport {
  readonly found: readonly WrittenLabel[];
  /** What looked like a label and is none, with its place. */
  readonly problems: readonly string[];
}

const LABEL = /^[a-z0-9-]+(?:\.[a-z0-9-]+)*$/;

/** Comments and security labels that may hold labels; columns: schema, relation, column, source, text. */
export const WRITTEN_LABELS_SQL = `
SELECT n.nspname, c.relname, a.attname, w.source, w.text
FROM (SELECT classoid, objoid, objsubid, 'comment' AS source, description AS text FROM pg_catalog.pg_description
      UNION ALL
      SELECT classoid, objoid, objsubid, 'security label', label FROM pg_catalog.pg_seclabel) w
JOIN pg_catalog.pg_class c ON w.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND c.oid = w.objoid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = w.objsubid AND w.objsubid > 0
WHERE w.text LIKE '%@label%' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY 1, 2, a.attnum, 4`;

/** `@label pii.contact.email` or `@label pii.name, pci.pan` anywhere in a text; each up to the end of its line. */
export function labelsInText(text: string): { readonly labels: readonly string[]; readonly wrong: readonly string[] } {
  const labels = new Set<string>();
  const wrong: string[] = [];
  for (const [, list = ''] of text.matchAll(/@label[ \t:]+((?:[^\s,]+[ \t]*,[ \t]*)*[^\s,]+)/g)) {
    for (const word of list.split(',').map((part) => part.trim().replace(/[.;]$/, ''))) {
      if (LABEL.test(word)) labels.add(word);
      else wrong.push(word);
    }
  }
  return { labels: [...labels], wrong };
}

/** Reads the rows of {@link WRITTEN_LABELS_SQL}. */
export function labelsInCatalog(rows: readonly (readonly (string | null)[])[]): LabelImport {
  const found: WrittenLabel[] = [];
  const problems: string[] = [];
  for (const [schema, relation, column, source, text] of rows) {
    if (typeof schema !== 'string' || typeof relation !== 'string' || typeof text !== 'string') continue;
    const { labels, wrong } = labelsInText(text);
    const place = [schema, relation, column].filter((part) => part != null).join('.');
    for (const word of wrong) problems.push(`${place}: "${word}" in its ${source} is no label`);
    if (labels.length === 0) continue;
    found.push({ schema, relation, ...(column != null && { column }), labels, source: source ?? 'comment' });
  }
  return { found, problems };
}

interface DbtNode {
  readonly resource_type?: unknown;
  readonly schema?: unknown;
  readonly alias?: unknown;
  readonly identifier?: unknown;
  readonly name?: unknown;
  readonly meta?: unknown;
  readonly tags?: unknown;
  readonly config?: { readonly meta?: unknown; readonly tags?: unknown };
  readonly columns?: Readonly<Record<string, DbtNode>>;
}

const DBT_RELATIONS = new Set(['model', 'seed', 'snapshot', 'source']);

/**
 * Reads dbt's `manifest.json` (https://docs.getdbt.com/reference/artifacts/manifest-json): `meta: { labels: [pii.name] }` (or `label:`) and
 * tags `label:pii.name` of models, seeds, snapshots and sources, and of their columns.
 */
export function labelsInManifest(manifest: unknown): LabelImport {
  const found: WrittenLabel[] = [];
  const problems: string[] = [];
  const { nodes, sources } = (manifest ?? {}) as Readonly<
    Record<string, Readonly<Record<string, DbtNode>> | undefined>
  >;
  if (nodes === undefined && sources === undefined)
    return { found, problems: ['this is no dbt manifest: it has neither nodes nor sources'] };
  for (const node of [...Object.values(nodes ?? {}), ...Object.values(sources ?? {})]) {
    if (!DBT_RELATIONS.has(String(node.resource_type))) continue;
    const relation = [node.identifier, node.alias, node.name].find((name) => typeof name === 'string' && name !== '');
    const { schema } = node;
    if (typeof schema !== 'string' || typeof relation !== 'string') continue;
    const take = (of: DbtNode, column?: string): void => {
      const labels = new Set<string>();
      for (const word of wordsOf(of)) {
        if (LABEL.test(word)) labels.add(word);
        else problems.push(`${[schema, relation, column].filter(Boolean).join('.')}: "${word}" is no label`);
      }
      if (labels.size === 0) return;
      found.push({ schema, relation, ...(column !== undefined && { column }), labels: [...labels], source: 'dbt' });
    };
    take(node);
    for (const [name, column] of Object.entries(node.columns ?? {})) {
      take(column, typeof column.name === 'string' ? column.name : name);
    }
  }
  return { found, problems };
}

function wordsOf({ meta, tags, config }: DbtNode): string[] {
  const inMeta = [meta, config?.meta].flatMap((each) => {
    const { labels, label } = (each ?? {}) as { labels?: unknown; label?: unknown };
    return [labels, label].flatMap((value) => (Array.isArray(value) ? value : [value]));
  });
  const inTags = [tags, config?.tags]
    .flatMap((each) => (Array.isArray(each) ? each : [each]))
    .flatMap((tag) => (typeof tag === 'string' && tag.startsWith('label:') ? [tag.slice('label:'.length)] : []));
  return [...new Set([...inMeta, ...inTags].filter((word) => typeof word === 'string'))];
}

const SOURCES: Readonly<Record<string, LabelSource>> = {
  comment: 'comment',
  'security label': 'security-label',
  dbt: 'dbt',
};

/**
 * A label file for review, which says of each label where it comes from.
 * @param at When it was read, as a date; left out when absent.
 */
export function labelFileText(
  connection: string,
  found: readonly WrittenLabel[],
  heading: string,
  at?: string,
): string {
  const relations: Record<string, Record<string, Map<string, LabelSource>>> = {};
  for (const { schema, relation, column = '$table', labels, source } of found) {
    const name = `${identifier(schema)}.${identifier(relation)}`;
    relations[name] ??= {};
    const columns = relations[name];
    columns[column] ??= new Map();
    const known = columns[column];
    // The first place that says it is as good as the others.
    for (const label of labels) if (!known.has(label)) known.set(label, SOURCES[source] ?? 'person');
  }
  const written = mapped(relations, (columns) =>
    mapped(columns, (labels) =>
      [...labels].sort(([a], [b]) => (a < b ? -1 : 1)).map(([label, source]) => ({ label, source, ...(at && { at }) })),
    ),
  );
  const document = new Document({ [connection]: written });
  document.commentBefore = ` ${heading}`;
  visit(document, {
    Seq: (_key, seq) => {
      seq.flow = true;
    },
  });
  return document.toString({ lineWidth: 0 });
}

function mapped<From, To>(record: Readonly<Record<string, From>>, make: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, make(value)]));
}

/** A name as SQL reads it back: in quotes where it needs them. */
export function identifier(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
