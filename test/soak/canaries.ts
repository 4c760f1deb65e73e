import { createHash } from 'node:crypto';

/** Part of every hidden text. No word of any language, and no mask, holds it. */
const MARKER = 'qzxjvkqw';
/** Beginnings of hidden numbers, a month in which every hidden date lies, and the beginning of hidden uuids. */
const NUMBERS = ['7392184650', '5826391704'];
const MONTH = '1873-04-';
const UUID = 'c0defade-';
const PEOPLE = 40;

const name = (n: number): string => `Ann ${MARKER} the ${n}th`;
const email = (n: number): string => `${MARKER}.${n}@example.com`;

/** Tables with canaries in labelled columns, and what reads them: views, a materialised view, partitions, functions. */
export const SCHEMA = `
CREATE SCHEMA soak;
SET search_path = soak;
CREATE TABLE people (
  id int PRIMARY KEY, city text NOT NULL, name text, email text, phone varchar(60), born date, card bigint, salary numeric(16, 2),
  token uuid, photo bytea, prefs jsonb, tags text[], level int NOT NULL DEFAULT 1
);
INSERT INTO people
SELECT n, (ARRAY['Graz', 'Linz', 'Wien'])[1 + n % 3], 'Ann ${MARKER} the ' || n || 'th', '${MARKER}.' || n || '@example.com',
       '+43 ${MARKER} ' || n, date '${MONTH}01' + n % 28, ${NUMBERS[0]}000 + n, ${NUMBERS[1]}000.25 + n,
       ('${UUID}0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, convert_to('${MARKER}' || n, 'UTF8'),
       jsonb_build_object('likes', '${MARKER}' || n), ARRAY['a', '${MARKER}' || n], n % 5
  FROM generate_series(1, ${PEOPLE}) n;
CREATE TABLE orders (id int PRIMARY KEY, person int REFERENCES people, amount numeric, note text, state text);
INSERT INTO orders SELECT n, 1 + n % ${PEOPLE}, n * 1.5, 'for ${MARKER} ' || n, 'paid' FROM generate_series(1, 200) n;
CREATE TABLE visits (id int, at timestamptz NOT NULL, who text, page text) PARTITION BY RANGE (at);
CREATE TABLE visits_old PARTITION OF visits FOR VALUES FROM ('2020-01-01') TO ('2024-01-01');
CREATE TABLE visits_new PARTITION OF visits FOR VALUES FROM ('2024-01-01') TO ('2030-01-01');
INSERT INTO visits SELECT n, timestamptz '2023-01-01' + n * interval '10 days', '${MARKER}' || n, '/' || n FROM generate_series(1, 100) n;
CREATE TABLE products (id int PRIMARY KEY, title text, price numeric);
INSERT INTO products SELECT n, 'thing ' || n, n FROM generate_series(1, 50) n;
CREATE VIEW directory AS SELECT id, upper(name) AS title, email AS mail, city, level FROM people;
CREATE VIEW ledger AS SELECT o.id, p.name, o.note, o.amount FROM orders o JOIN people p ON p.id = o.person;
CREATE MATERIALIZED VIEW by_city AS SELECT city, max(email) AS top, count(*) AS people FROM people GROUP BY city;
CREATE FUNCTION adult(p date) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT p < date '2008-01-01' $$;
CREATE FUNCTION somebody(i int) RETURNS text LANGUAGE sql STABLE AS $$ SELECT email FROM soak.people WHERE id = i $$;
CREATE FUNCTION anybody() RETURNS text LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN (SELECT max(email) FROM soak.people); END $$;
ANALYZE;
`;

export const LABELS = `shop:
  soak.people: { name: [pii.name], email: [pii.contact.email], phone: [pii.contact.phone], born: [pii.birth], card: [pci.pan], salary: [fin.salary], token: [pii.id], photo: [pii.photo], prefs: [pii.quasi], tags: [pii.quasi] }
  soak.orders: { note: [pii.name] }
  soak.visits: { who: [pii.name] }
`;

/** Ways out that a search must notice when nothing is hidden: were it blind, finding nothing would say nothing. */
export const CONTROLS: readonly string[] = [
  'SELECT name FROM soak.people LIMIT 1',
  'SELECT upper(name), initcap(email) FROM soak.people LIMIT 1',
  'SELECT reverse(name) FROM soak.people LIMIT 1',
  "SELECT encode(convert_to(name, 'UTF8'), 'hex') FROM soak.people LIMIT 1",
  "SELECT encode(convert_to(upper(name), 'UTF8'), 'hex') FROM soak.people LIMIT 1",
  "SELECT encode(convert_to('x' || name, 'UTF8'), 'base64') FROM soak.people LIMIT 1",
  "SELECT encode(convert_to('xy' || upper(name), 'UTF8'), 'base64') FROM soak.people LIMIT 1",
  "SELECT encode(convert_to(name, 'UTF8'), 'base64') FROM soak.people LIMIT 1",
  'SELECT md5(email) FROM soak.people WHERE id = 7',
  "SELECT sha256(convert_to(name, 'UTF8')) FROM soak.people WHERE id = 7",
  'SELECT photo FROM soak.people LIMIT 1',
  'SELECT card + 1 FROM soak.people LIMIT 1',
  'SELECT salary FROM soak.people LIMIT 1',
  'SELECT born FROM soak.people LIMIT 1',
  'SELECT token FROM soak.people LIMIT 1',
  'SELECT tags FROM soak.people LIMIT 1',
  'SELECT to_json(p) FROM soak.people p LIMIT 1',
  'SELECT title FROM soak.directory LIMIT 1',
  'SELECT top FROM soak.by_city LIMIT 1',
  'SELECT soak.anybody()',
  'SELECT email::int FROM soak.people LIMIT 1',
];

/** The characters of base64 that depend on these bytes alone, `before` bytes into a group of three. */
function base64Core(bytes: Buffer, before: number): string {
  const text = Buffer.concat([Buffer.alloc(before), bytes])
    .toString('base64')
    .replace(/=+$/, '');
  const first = Math.ceil((before * 8) / 6);
  const last = Math.floor(((before + bytes.length) * 8) / 6);
  return text.slice(first, last);
}

const literally = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');

function anyCase(): RegExp {
  // Without its first letter, so that it is found whatever initcap() makes of that.
  const tail = MARKER.slice(1);
  const digests = Array.from({ length: PEOPLE }, (_, index) => [name(index + 1), email(index + 1)]).flatMap((values) =>
    values.flatMap((value) => ['md5', 'sha256'].map((how) => createHash(how).update(value).digest('hex'))),
  );
  const texts = [
    MARKER,
    [...MARKER].reverse().join(''),
    Buffer.from(tail).toString('hex'),
    Buffer.from(tail.toUpperCase()).toString('hex'),
    ...NUMBERS,
    MONTH,
    UUID,
    ...digests,
  ];
  return new RegExp(texts.map(literally).join('|'), 'i');
}

function exactCase(): RegExp {
  const tails = [MARKER.slice(1), MARKER.slice(1).toUpperCase()].map((text) => Buffer.from(text));
  return new RegExp(
    tails.flatMap((bytes) => [0, 1, 2].map((before) => literally(base64Core(bytes, before)))).join('|'),
  );
}

const ANY_CASE = anyCase();
const EXACT_CASE = exactCase();

/** The longest thing that is looked for, in bytes. */
export const LONGEST = 64;

/** Where a canary begins, in whatever form; -1 when there is none. */
export function findCanary(bytes: Buffer): number {
  const text = bytes.toString('latin1');
  const found = text.search(ANY_CASE);
  return found >= 0 ? found : text.search(EXACT_CASE);
}
