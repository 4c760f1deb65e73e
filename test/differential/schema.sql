-- Few rows with many coincidences: NULLs, duplicates, empty strings, quotes, several alphabets. Nothing is random: two loads are equal.
CREATE SCHEMA lab;
SET search_path = lab;

CREATE DOMAIN address AS text CHECK (VALUE LIKE '%@%');
CREATE TYPE mood AS ENUM ('glad', 'sad', 'odd');

CREATE TABLE city (
  id integer PRIMARY KEY,
  name text NOT NULL,
  area numeric(10, 2),
  founded date,
  note text
);

CREATE TABLE people (
  id integer PRIMARY KEY,
  name text NOT NULL,
  email address,
  code varchar(8),
  pin char(6),
  born date,
  salary numeric(10, 2),
  score integer,
  active boolean,
  nickname text,
  tags text[],
  extra jsonb,
  token uuid,
  feeling mood,
  city_id integer REFERENCES city,
  boss integer REFERENCES people,
  seen timestamp,
  name_upper text GENERATED ALWAYS AS (upper(name)) STORED
);
CREATE INDEX people_by_city ON people (city_id);

CREATE TABLE purchase (
  id integer PRIMARY KEY,
  person_id integer REFERENCES people,
  item text,
  price numeric(10, 2),
  at timestamp,
  memo text,
  paid boolean,
  gross numeric(12, 2) GENERATED ALWAYS AS (round(price * 1.2, 2)) STORED
);

CREATE TABLE event (id integer, kind text, person_id integer, email text, payload jsonb, at date) PARTITION BY LIST (kind);
CREATE TABLE event_a PARTITION OF event FOR VALUES IN ('a');
CREATE TABLE event_b PARTITION OF event FOR VALUES IN ('b');
CREATE TABLE event_rest PARTITION OF event DEFAULT;

CREATE TABLE base (id integer, label text, amount integer);
CREATE TABLE child (remark text) INHERITS (base);

CREATE TABLE "Odd Names" ("Key" integer PRIMARY KEY, "select" text, "e-mail ä" text, plain text);

INSERT INTO city VALUES
  (1, 'Wien', 414.87, '1137-01-01', 'big'), (2, 'Graz', 127.57, '1128-02-28', NULL), (3, 'Linz', NULL, NULL, ''),
  (4, 'Sankt "Pölten"', 108.44, '1159-05-05', E'tab\there');

INSERT INTO people (id, name, email, code, pin, born, salary, score, active, nickname, tags, extra, token, feeling, city_id, boss, seen)
SELECT n,
       (ARRAY['Ada Secret', 'Bela Secret', 'Cem "S" Secret', 'Dörte Secret', '李 Secret', 'ada secret', ''])[1 + n % 7],
       CASE WHEN n % 5 > 0 THEN 'secret' || n % 9 || '@mail' || n % 3 || '.example' END,
       CASE WHEN n % 4 > 0 THEN 'sec-' || 100 + n % 6 END,
       CASE WHEN n % 6 > 0 THEN lpad((771300 + n % 8)::text, 6, '0') END,
       CASE WHEN n % 7 > 0 THEN date '1961-03-05' + n % 10 * 431 END,
       CASE WHEN n % 8 > 0 THEN 1000.01 + n % 5 * 333.33 END,
       CASE WHEN n % 5 > 0 THEN n % 6 * 17 - 20 END,
       CASE WHEN n % 3 > 0 THEN n % 2 = 0 END,
       CASE WHEN n % 3 > 0 THEN 'nick' || n % 4 END,
       CASE WHEN n % 4 = 0 THEN NULL WHEN n % 4 = 1 THEN '{}' ELSE ARRAY['secret tag ' || n % 3, NULL, 'all'] END,
       CASE WHEN n % 3 = 0 THEN NULL ELSE jsonb_build_object('n', n % 4, 'who', 'secret' || n % 3, 'list', jsonb_build_array(n, 'x')) END,
       CASE WHEN n % 6 > 0 THEN md5('secret' || n % 5)::uuid END,
       CASE WHEN n % 4 > 0 THEN (ARRAY['glad', 'sad', 'odd'])[1 + n % 3]::mood END,
       CASE WHEN n % 6 > 0 THEN 1 + n % 4 END,
       CASE WHEN n > 3 THEN n % 3 + 1 END,
       CASE WHEN n % 5 > 0 THEN timestamp '2024-02-27 23:30' + n % 6 * interval '31 hours' END
  FROM generate_series(1, 14) n;

INSERT INTO purchase (id, person_id, item, price, at, memo, paid)
SELECT n, CASE WHEN n % 7 > 0 THEN 1 + n * 5 % 14 END, (ARRAY['bread', 'Salz', NULL, 'öl'])[1 + n % 4], CASE WHEN n % 9 > 0 THEN n % 5 * 3.10 END,
       timestamp '2024-03-01' + n % 8 * interval '12 hours', CASE WHEN n % 3 > 0 THEN 'secret memo ' || n % 4 END, n % 2 = 0
  FROM generate_series(1, 22) n;

INSERT INTO event
SELECT n, (ARRAY['a', 'b', 'c', NULL])[1 + n % 4], 1 + n % 14, CASE WHEN n % 5 > 0 THEN 'secret' || n % 4 || '@mail.example' END,
       jsonb_build_object('step', n % 3, 'at', CASE WHEN n % 2 = 0 THEN 'x' END), date '2024-01-30' + n % 5
  FROM generate_series(1, 16) n;

INSERT INTO base SELECT n, 'secret label ' || n % 3, n % 4 FROM generate_series(1, 5) n;
INSERT INTO child SELECT n, 'secret label ' || n % 2, n % 3, 'remark ' || n FROM generate_series(4, 8) n;
INSERT INTO "Odd Names" SELECT n, 'secret choice ' || n % 2, 'secret' || n || '@mail.example', 'plain ' || n % 3 FROM generate_series(1, 5) n;

CREATE VIEW v_people AS SELECT id, name, email, city_id, upper(name) AS loud, score + 1 AS next_score, nickname FROM people;
CREATE VIEW v_place AS
  SELECT p.id, p.name || ' / ' || c.name AS place, c.name AS city, u.price, u.item
    FROM people p JOIN city c ON c.id = p.city_id LEFT JOIN purchase u ON u.person_id = p.id;
CREATE MATERIALIZED VIEW m_city AS
  SELECT c.id, c.name, count(p.id)::integer AS people, max(p.email::text) AS one_email
    FROM city c LEFT JOIN people p ON p.city_id = c.id GROUP BY c.id;
CREATE VIEW v_open AS SELECT id, name, area FROM city WHERE id < 4;

CREATE FUNCTION vat(net numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT round(net * 1.2, 2)';

ANALYZE;
RESET search_path;
