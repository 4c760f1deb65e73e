/** A column of one type with values that are hard on a mask: extremes, empty ones, and ordinary ones. */
export interface TypeCase {
  readonly column: string;
  readonly type: string;
  readonly collation?: string;
  /** SQL constants without a cast; NULL is always added. */
  readonly values: readonly string[];
  /** PostgreSQL version from which the type or a value exists. */
  readonly since?: number;
}

const texts = [
  "''",
  "'a'",
  "'***'",
  "'Grüße, 世界 👩‍👩‍👧'",
  "'jane.doe@example.org'",
  "E'a\\nb\\\\c''d\"'",
  "'4111 1111 1111 1111'",
  "'1984-05-06'",
];
const ints = (max: string, min: string): string[] => ['0', '1', '-1', '1234', max, min];

export const SETUP = `
CREATE EXTENSION IF NOT EXISTS citext;
CREATE SCHEMA odd;
CREATE TYPE odd.mood AS ENUM ('it''s \\ "fine"', 'sad');
CREATE DOMAIN odd.address AS varchar(40) CHECK (VALUE ~ '@') NOT NULL;
CREATE DOMAIN odd.positive AS int CHECK (VALUE > 5);
CREATE TYPE odd.pair AS (a int, b text);
CREATE TYPE odd.span AS RANGE (subtype = float8);
CREATE COLLATION odd.loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);`;

export const CASES: readonly TypeCase[] = [
  { column: 'text', type: 'text', values: [...texts, "pg_catalog.repeat('x', 100000)"] },
  { column: 'text C', type: 'text', collation: 'pg_catalog."C"', values: texts },
  { column: 'text loose', type: 'text', collation: 'odd.loose', values: texts },
  { column: 'varchar', type: 'varchar', values: texts },
  { column: 'varchar(1)', type: 'varchar(1)', values: ["''", "'a'"] },
  { column: 'varchar(20)', type: 'varchar(20)', values: ["''", "'jane@example.org'", "'4111111111111111'"] },
  { column: 'varchar(30)', type: 'varchar(30)', collation: 'pg_catalog."POSIX"', values: ["'jane@example.org'"] },
  { column: 'bpchar', type: 'bpchar', values: ["'abc   '", "'jane@example.org'"] },
  { column: 'char(3)', type: 'char(3)', values: ["'a'", "'abc'", "''"] },
  { column: 'char', type: '"char"', values: ["'x'", "''"] },
  { column: 'name', type: 'name', values: ["'someone'", "'jane@example.org'", "pg_catalog.repeat('y', 63)"] },
  { column: 'citext', type: 'public.citext', values: ["'Jane@Example.org'", "'ABC'", "''"] },
  { column: 'domain', type: 'odd.address', values: ["'jane@example.org'", "'@'"] },
  { column: 'domain int', type: 'odd.positive', values: ['6', '2147483647'] },
  { column: 'smallint', type: 'smallint', values: ints('32767', '-32768') },
  { column: 'integer', type: 'integer', values: ints('2147483647', '-2147483648') },
  { column: 'bigint', type: 'bigint', values: ints('9223372036854775807', '-9223372036854775808') },
  { column: 'numeric', type: 'numeric', values: [...ints('1e1000', '-1e1000'), "'NaN'", '0.0000000001'] },
  { column: 'numeric inf', type: 'numeric', values: ["'Infinity'", "'-Infinity'"], since: 140000 },
  { column: 'numeric(10,2)', type: 'numeric(10,2)', values: ['99999999.99', '-99999999.99', '0.01', '1234.56'] },
  { column: 'numeric(3,-2)', type: 'numeric(3,-2)', values: ['99900', '-99900', '100'], since: 150000 },
  { column: 'numeric(2,4)', type: 'numeric(2,4)', values: ['0.0099', '-0.0099'], since: 150000 },
  { column: 'real', type: 'real', values: ["'3.4e38'", "'1e-45'", "'NaN'", "'Infinity'", "'-Infinity'", '123.5'] },
  {
    column: 'double',
    type: 'double precision',
    values: ["'1.7e308'", "'5e-324'", "'NaN'", "'Infinity'", "'-Infinity'", '123.5', "'-1e15'"],
  },
  { column: 'money', type: 'money', values: ["'92233720368547758.07'", "'12.34'"] },
  { column: 'boolean', type: 'boolean', values: ['true', 'false'] },
  {
    column: 'date',
    type: 'date',
    values: [
      "'1984-05-06'",
      "'infinity'",
      "'-infinity'",
      "'4713-11-24 BC'",
      "'5874897-12-31'",
      "'0001-01-01'",
      "'9999-12-31'",
    ],
  },
  {
    column: 'timestamp',
    type: 'timestamp',
    values: [
      "'1984-05-06 07:08:09.123456'",
      "'infinity'",
      "'-infinity'",
      "'4713-11-24 00:00:00 BC'",
      "'294276-12-31 23:59:59.999999'",
    ],
  },
  { column: 'timestamp(0)', type: 'timestamp(0)', values: ["'1984-05-06 07:08:09'"] },
  {
    column: 'timestamptz',
    type: 'timestamptz',
    values: [
      "'1984-05-06 07:08:09.123456+00'",
      "'infinity'",
      "'-infinity'",
      "'4713-11-24 00:00:00+00 BC'",
      "'294276-12-31 23:59:59+00'",
    ],
  },
  { column: 'timestamptz(3)', type: 'timestamptz(3)', values: ["'1984-12-31 23:08:09.123-05'"] },
  { column: 'time', type: 'time', values: ["'23:59:59.5'", "'24:00:00'"] },
  { column: 'timetz(2)', type: 'timetz(2)', values: ["'23:59:59.5+05'"] },
  { column: 'interval', type: 'interval', values: ["'1 year 2 days'", "'-178000000 years'"] },
  { column: 'interval ym', type: 'interval year to month', values: ["'3 years 2 months'"] },
  { column: 'interval s(3)', type: 'interval second(3)', values: ["'3.123 seconds'"] },
  { column: 'uuid', type: 'uuid', values: ["'6ba7b810-9dad-11d1-80b4-00c04fd430c8'"] },
  { column: 'bytea', type: 'bytea', values: ["'\\x00ff'", "''"] },
  { column: 'json', type: 'json', values: ['\'{"a": 1}\'', "'null'"] },
  { column: 'jsonb', type: 'jsonb', values: ['\'{"a": 1}\'', '\'"x"\''] },
  { column: 'xml', type: 'xml', values: [] },
  { column: 'inet', type: 'inet', values: ["'10.1.2.3/8'", "'::1'"] },
  { column: 'cidr', type: 'cidr', values: ["'10.0.0.0/8'"] },
  { column: 'macaddr', type: 'macaddr', values: ["'08:00:2b:01:02:03'"] },
  { column: 'macaddr8', type: 'macaddr8', values: ["'08:00:2b:01:02:03:04:05'"] },
  { column: 'bit(1)', type: 'bit', values: ["B'1'"] },
  { column: 'bit(9)', type: 'bit(9)', values: ["B'101010101'"] },
  { column: 'varbit(9)', type: 'varbit(9)', values: ["B'101'", "B''"] },
  { column: 'enum', type: 'odd.mood', values: ["'sad'"] },
  { column: 'composite', type: 'odd.pair', values: ["ROW(1, 'x')", 'ROW(NULL, NULL)'] },
  { column: 'int4range', type: 'int4range', values: ["'[1,5)'", "'(,)'"] },
  { column: 'tstzrange', type: 'tstzrange', values: ["'[2020-01-01 00:00+00,)'"] },
  { column: 'own range', type: 'odd.span', values: ["'[1,2]'"] },
  { column: 'int4multirange', type: 'int4multirange', values: ["'{[1,5)}'"], since: 140000 },
  {
    column: 'text[]',
    type: 'text[]',
    values: ["'{}'", '\'{jane@example.org,NULL,"a b"}\'', "'{{a,b},{c,d}}'", "'[3:4]={x,y}'"],
  },
  { column: 'varchar(5)[]', type: 'varchar(5)[]', values: ["'{abcde,NULL}'"] },
  { column: 'text[] C', type: 'text[]', collation: 'pg_catalog."C"', values: ["'{abcde}'"] },
  { column: 'citext[]', type: 'public.citext[]', values: ["'{Abcde}'"] },
  { column: 'int[]', type: 'int[]', values: ["'{1,2}'", "'{{1},{2}}'"] },
  { column: 'domain[]', type: 'odd.address[]', values: ["'{jane@example.org}'"] },
  { column: 'enum[]', type: 'odd.mood[]', values: ["'{sad}'"] },
  { column: 'pair[]', type: 'odd.pair[]', values: ["ARRAY[ROW(1, 'x')]::odd.pair[]"] },
  { column: 'jsonb[]', type: 'jsonb[]', values: ["ARRAY['{}'::jsonb]"] },
  { column: 'point', type: 'point', values: ["'(1,2)'"] },
  { column: 'line', type: 'line', values: ["'{1,2,3}'"] },
  { column: 'lseg', type: 'lseg', values: ["'[(1,2),(3,4)]'"] },
  { column: 'box', type: 'box', values: ["'(3,4),(1,2)'"] },
  { column: 'path', type: 'path', values: ["'[(1,2),(3,4)]'"] },
  { column: 'polygon', type: 'polygon', values: ["'((1,2),(3,4))'"] },
  { column: 'circle', type: 'circle', values: ["'<(1,2),3>'"] },
  { column: 'tsvector', type: 'tsvector', values: ["'secret words'"] },
  { column: 'tsquery', type: 'tsquery', values: ["'secret & words'"] },
  { column: 'jsonpath', type: 'jsonpath', values: ["'$.secret'"] },
  { column: 'oid', type: 'oid', values: ['4294967295'] },
  { column: 'regclass', type: 'regclass', values: ["'pg_catalog.pg_class'"] },
  { column: 'regtype', type: 'regtype', values: ["'int4'"] },
  { column: 'xid', type: 'xid', values: ["'7'"] },
  { column: 'xid8', type: 'xid8', values: ["'7'"] },
  { column: 'tid', type: 'tid', values: ["'(1,2)'"] },
  { column: 'pg_lsn', type: 'pg_lsn', values: ["'16/B374D848'"] },
];
