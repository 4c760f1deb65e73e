import type pg from 'pg';
import type { DemoDatabase } from './database-server.ts';
import { importOptional } from './errors.ts';

export const DATABASE = 'shop';
export const APP_ROLE = 'app';

const FIRST =
  'Anna Ben Clara David Elif Felix Greta Hanno Ines Jakob Katharina Lukas Mia Noah Olivia Paul Rosa Samuel Teresa Viktor Yara Zoltan Amelie Bruno Chiara Dario Emma Finn Helena Ivan'.split(
    ' ',
  );
const LAST =
  'Auer Bauer Czerny Dvorak Eder Fischer Gruber Huber Ivanov Jovanovic Keller Lang Maier Novak Ortner Pichler Reiter Schmid Toth Urban Vogel Wagner Yilmaz Zimmermann Brandl Egger Fuchs Hofer Kovacs Lehner'.split(
    ' ',
  );
const CITIES = 'Wien Graz Linz Salzburg Innsbruck Berlin Hamburg München Köln Zürich Bern Basel'.split(' ');
const PRODUCTS =
  'lamp chair desk shelf carpet mirror clock vase pillow blanket kettle pan knife bowl plate glass basket candle frame stool'.split(
    ' ',
  );

/** `pick(array, i, salt)` and its like: deterministic, so every demo shows the same people. */
const TOOLS = `
CREATE FUNCTION pg_temp.number(i int, salt text, below int) RETURNS int LANGUAGE sql IMMUTABLE AS
  $$ SELECT (hashtextextended(salt, i) & 2147483647)::int % below $$;
CREATE FUNCTION pg_temp.pick(words text[], i int, salt text) RETURNS text LANGUAGE sql IMMUTABLE AS
  $$ SELECT words[1 + (hashtextextended(salt, i) & 2147483647)::int % array_length(words, 1)] $$;
-- Luhn check digit: https://www.iso.org/standard/70484.html
CREATE FUNCTION pg_temp.card(body text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT body || (10 - sum(CASE WHEN odd THEN (d * 2) / 10 + (d * 2) % 10 ELSE d END) % 10) % 10
  FROM (SELECT substr(body, p, 1)::int AS d, p % 2 = 1 AS odd FROM generate_series(1, length(body)) p) digits $$;
-- ISO 13616 check digits; A and T stand for 10 and 29
CREATE FUNCTION pg_temp.iban(account text) RETURNS text LANGUAGE sql IMMUTABLE AS
  $$ SELECT 'AT' || lpad((98 - (account || '102900')::numeric % 97)::text, 2, '0') || account $$;
`;

function words(list: readonly string[]): string {
  return `ARRAY['${list.join("','")}']`;
}

const TABLES = `
CREATE SCHEMA shop;
CREATE SCHEMA hr;
CREATE TABLE shop.customers AS
  SELECT i AS id,
         first || ' ' || last AS full_name,
         lower(translate(first || '.' || last, 'üöä', 'uoa')) || i || '@' || pg_temp.pick(ARRAY['example.com','example.org','example.net'], i, 'host') AS email,
         '+43 6' || (60 + pg_temp.number(i, 'net', 40)) || ' ' || lpad(pg_temp.number(i, 'phone', 10000000)::text, 7, '0') AS phone,
         date '1940-01-01' + pg_temp.number(i, 'birth', 24000) AS birth_date,
         pg_temp.card('4' || lpad(pg_temp.number(i, 'card', 2000000000)::text, 14, '7')) AS card_number,
         pg_temp.pick(${words(CITIES)}, i, 'city') AS city,
         timestamptz '2022-01-01 08:00Z' + pg_temp.number(i, 'since', 150000000) * interval '1 second' AS created_at
  FROM generate_series(1, 50000) i,
       LATERAL (SELECT pg_temp.pick(${words(FIRST)}, i, 'first') AS first, pg_temp.pick(${words(LAST)}, i, 'last') AS last) name;
CREATE TABLE shop.products AS
  SELECT i AS id, pg_temp.pick(ARRAY['oak','steel','linen','copper','glass'], i, 'material') || ' ' || (${words(PRODUCTS)})[1 + (i - 1) % ${PRODUCTS.length}] AS name,
         (990 + pg_temp.number(i, 'price', 40000)) / 100.0 AS price
  FROM generate_series(1, 200) i;
CREATE TABLE shop.orders AS
  SELECT i AS id, 1 + pg_temp.number(i, 'customer', 50000) AS customer_id, 1 + pg_temp.number(i, 'product', 200) AS product_id,
         1 + pg_temp.number(i, 'quantity', 4) AS quantity,
         timestamptz '2024-01-01 00:00Z' + pg_temp.number(i, 'at', 80000000) * interval '1 second' AS ordered_at,
         pg_temp.pick(ARRAY['paid','paid','paid','shipped','shipped','returned'], i, 'state') AS state
  FROM generate_series(1, 200000) i;
CREATE TABLE shop.payments AS
  SELECT o.id, o.id AS order_id, round(o.quantity * p.price, 2) AS amount,
         pg_temp.iban(lpad((20111 + c.id % 7)::text, 5, '0') || lpad((c.id * 7919 % 100000000)::text, 11, '0')) AS iban,
         o.ordered_at + interval '2 minutes' AS paid_at
  FROM shop.orders o JOIN shop.products p ON p.id = o.product_id JOIN shop.customers c ON c.id = o.customer_id;
CREATE TABLE hr.salaries AS
  SELECT i AS employee_id, pg_temp.pick(${words(FIRST)}, i, 'hr') || ' ' || pg_temp.pick(${words(LAST)}, i, 'hr2') AS employee,
         pg_temp.pick(ARRAY['Accounting','Sales','Warehouse','IT','Management'], i, 'unit') AS department,
         2400 + 10 * pg_temp.number(i, 'salary', 600) AS monthly_salary
  FROM generate_series(1, 300) i;
ALTER TABLE shop.customers ADD PRIMARY KEY (id);
ALTER TABLE shop.products ADD PRIMARY KEY (id);
ALTER TABLE shop.orders ADD PRIMARY KEY (id);
ALTER TABLE shop.payments ADD PRIMARY KEY (id);
ALTER TABLE hr.salaries ADD PRIMARY KEY (employee_id);
CREATE INDEX ON shop.orders (customer_id);
CREATE VIEW shop.revenue_by_city AS
  SELECT c.city, count(*) AS orders, sum(p.amount) AS revenue
  FROM shop.orders o JOIN shop.customers c ON c.id = o.customer_id JOIN shop.payments p ON p.order_id = o.id GROUP BY c.city;
CREATE VIEW shop.contacts AS SELECT id, full_name AS name, email AS mail FROM shop.customers;
GRANT USAGE ON SCHEMA shop, hr TO ${APP_ROLE};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA shop, hr TO ${APP_ROLE};
ANALYZE;
`;

/** Loads the sales database into a fresh server; the role of the gateway gets `appPassword`. */
export async function loadSales(server: DemoDatabase, appPassword: string): Promise<void> {
  await asSuperuser(server, 'postgres', async (client) => {
    await client.query(`CREATE ROLE ${APP_ROLE} LOGIN PASSWORD ${client.escapeLiteral(appPassword)}`);
    await client.query(`CREATE DATABASE ${DATABASE}`);
  });
  await asSuperuser(server, DATABASE, async (client) => {
    await client.query(`BEGIN; ${TOOLS} ${TABLES} COMMIT;`);
  });
}

/** Whether an earlier start loaded it to its end. */
export async function isLoaded(server: DemoDatabase): Promise<boolean> {
  return await asSuperuser(server, 'postgres', async (client) => {
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
    if (rowCount !== 1) return false;
    return await asSuperuser(server, DATABASE, async (inside) => {
      const found = await inside.query<{ there: boolean }>(`SELECT to_regclass('shop.contacts') IS NOT NULL AS there`);
      return found.rows[0]?.there === true;
    });
  });
}

/** The way around the gateway, to know what must not be seen through it. */
export async function asSuperuser<Result>(
  server: DemoDatabase,
  database: string,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const { default: driver } = await importOptional<typeof import('pg')>('pg');
  const client = new driver.Client({ host: '127.0.0.1', port: server.port, database, ...server.superuser, ssl: false });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
