/** What the generator knows of `schema.sql`: relations, their columns by kind, and which of them are hidden. */

export type Kind = 'int' | 'numeric' | 'text' | 'bool' | 'date' | 'timestamp' | 'jsonb' | 'texts' | 'uuid' | 'mood';

/** The type that stands for a kind in casts. */
export const TYPE: Readonly<Record<Kind, string>> = {
  int: 'integer',
  numeric: 'numeric(12, 2)',
  text: 'text',
  bool: 'boolean',
  date: 'date',
  timestamp: 'timestamp',
  jsonb: 'jsonb',
  texts: 'text[]',
  uuid: 'uuid',
  mood: 'lab.mood',
};

export interface Column {
  /** As it is written in SQL. */
  readonly name: string;
  readonly kind: Kind;
}

export interface Relation {
  /** As it is written in SQL, without its schema. */
  readonly name: string;
  readonly columns: readonly Column[];
  /** Name of its primary key; absent for relations without one. */
  readonly key?: string;
  /** Has children, so that ONLY makes a difference. */
  readonly parent?: boolean;
  /** Takes TABLESAMPLE. */
  readonly table: boolean;
}

const columns = (written: string): readonly Column[] =>
  written.split(', ').map((each) => {
    const at = each.lastIndexOf(' ');
    return { name: each.slice(0, at), kind: each.slice(at + 1) as Kind };
  });

export const RELATIONS: readonly Relation[] = [
  {
    name: 'people',
    key: 'id',
    table: true,
    columns: columns(
      'id int, name text, email text, code text, pin text, born date, salary numeric, score int, active bool, nickname text, ' +
        'tags texts, extra jsonb, token uuid, feeling mood, city_id int, boss int, seen timestamp, name_upper text',
    ),
  },
  {
    name: 'city',
    key: 'id',
    table: true,
    columns: columns('id int, name text, area numeric, founded date, note text'),
  },
  {
    name: 'purchase',
    key: 'id',
    table: true,
    columns: columns(
      'id int, person_id int, item text, price numeric, at timestamp, memo text, paid bool, gross numeric',
    ),
  },
  {
    name: 'event',
    table: true,
    parent: true,
    columns: columns('id int, kind text, person_id int, email text, payload jsonb, at date'),
  },
  {
    name: 'event_a',
    table: true,
    columns: columns('id int, kind text, person_id int, email text, payload jsonb, at date'),
  },
  { name: 'base', table: true, parent: true, columns: columns('id int, label text, amount int') },
  { name: 'child', table: true, columns: columns('id int, label text, amount int, remark text') },
  {
    name: '"Odd Names"',
    key: '"Key"',
    table: true,
    columns: columns('"Key" int, "select" text, "e-mail ä" text, plain text'),
  },
  {
    name: 'v_people',
    table: false,
    columns: columns('id int, name text, email text, city_id int, loud text, next_score int, nickname text'),
  },
  { name: 'v_place', table: false, columns: columns('id int, place text, city text, price numeric, item text') },
  { name: 'm_city', table: false, columns: columns('id int, name text, people int, one_email text') },
  { name: 'v_open', table: false, columns: columns('id int, name text, area numeric') },
];

export const LABELS = `shop:
  lab.people:
    name: [pii.name]
    email: [pii.contact.email]
    code: [pii.code]
    pin: [pii.pin]
    born: [pii.birth]
    salary: [fin.salary]
    score: [pii.score]
    active: [pii.flag]
    tags: [pii.tags]
    extra: [pii.extra]
    token: [pii.token]
    feeling: [pii.mood]
    seen: [pii.seen]
  lab.purchase: { memo: [pii.memo] }
  lab.event: { email: [pii.contact.email] }
  lab.base: { label: [pii.name] }
  'lab."Odd Names"': { select: [pii.name], 'e-mail ä': [pii.contact.email] }
`;

/** Every kind of mask, each on a type that it deals with. */
export const MASKS =
  '{ default: redact, pii.name: pseudonym, pii.contact.email: { partial: { keep_first: 1 } }, pii.pin: { partial: { keep_last: 2 } }, ' +
  'pii.birth: { generalise: year }, pii.seen: { generalise: month }, fin.salary: { generalise: { band: 100 } }, pii.score: "null", ' +
  'pii.tags: pseudonym, pii.token: pseudonym }';

/** Part of every text in a hidden column. */
export const SECRET = /secret/i;

/** Relations that look different to somebody masked: the copy holds for each of them what a star shows. */
export const MASKED_TABLES: readonly string[] = ['people', 'purchase', 'event', 'base', 'child', '"Odd Names"'];
export const MASKED_VIEWS: readonly string[] = ['v_people', 'v_place', 'm_city'];

/** Makes room for masks in the copy: no domain, no generated column, no reference that would have to be loaded in order. */
export const LOOSEN = `
ALTER TABLE lab.people ALTER email TYPE text, ALTER name_upper DROP EXPRESSION, DROP CONSTRAINT people_boss_fkey;
ALTER TABLE lab.v_people ALTER email TYPE text;
ALTER TABLE lab.purchase ALTER gross DROP EXPRESSION, DROP CONSTRAINT purchase_person_id_fkey;
`;
