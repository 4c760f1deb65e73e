-- A shop for the leak cases: run by a superuser in an empty database. What `fixture.ts` makes is loaded at the marked place.
SET client_min_messages = warning;
CREATE SCHEMA shop; CREATE SCHEMA lab;
CREATE EXTENSION pg_stat_statements; CREATE EXTENSION dblink; CREATE EXTENSION postgres_fdw; CREATE EXTENSION file_fdw; CREATE EXTENSION pgcrypto;
CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION pg_trgm; CREATE EXTENSION fuzzystrmatch; CREATE EXTENSION tablefunc; CREATE EXTENSION xml2;
CREATE EXTENSION unaccent; CREATE EXTENSION ltree; CREATE EXTENSION intarray; CREATE EXTENSION "uuid-ossp"; CREATE EXTENSION cube; CREATE EXTENSION isn; CREATE EXTENSION tcn;
CREATE TYPE shop.order_status AS ENUM ('new','paid','sent','back');
CREATE DOMAIN shop.email_t AS text;
CREATE TABLE shop.customers (id int PRIMARY KEY, full_name text NOT NULL, email shop.email_t UNIQUE, phone text, ssn text UNIQUE, card_number text, birth_date date, notes text, prefs jsonb, country text, created_at timestamptz,
  full_name_lc text GENERATED ALWAYS AS (lower(full_name)) STORED);
CREATE TABLE shop.products (id int PRIMARY KEY, name text, category text, price numeric(10,2), attrs jsonb, description text);
CREATE TABLE shop.orders (id int PRIMARY KEY, customer_id int REFERENCES shop.customers(id), product_id int REFERENCES shop.products(id), status shop.order_status, qty int, total numeric(10,2), placed_at timestamptz, tags text[], ship_note text,
  total_gross numeric(12,2) GENERATED ALWAYS AS (total * 1.2) STORED);
CREATE TABLE shop.payments (id int PRIMARY KEY, order_id int REFERENCES shop.orders(id), iban text, card_last4 text, amount numeric(10,2), paid_at timestamptz);
CREATE TABLE shop.employees (id int PRIMARY KEY, emp_code text UNIQUE, full_name text, title text, salary numeric(12,2), review text, manager_id int REFERENCES shop.employees(id));
CREATE TABLE shop.customer_contacts (customer_id int PRIMARY KEY REFERENCES shop.customers(id), emails text[], phones text[]);
CREATE TABLE shop."Kunden Straße" ("Kunden-Nr" int PRIMARY KEY, "E-Mail Adresse" text, "select" text, "Ort" text);
CREATE TABLE shop.event_log (id int, customer_id int, kind text, email text, payload jsonb, created_at timestamptz) PARTITION BY RANGE (created_at);
CREATE TABLE shop.event_log_2024 PARTITION OF shop.event_log FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE shop.event_log_2025 PARTITION OF shop.event_log FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE SEQUENCE shop.ticket_seq;
--DATA--
CREATE VIEW shop.v_contacts AS SELECT id, full_name || ' <' || email || '>' AS display, country FROM shop.customers;
CREATE VIEW shop.v_staff AS SELECT id, title AS job FROM shop.employees;
CREATE VIEW shop.v_orders_by_country AS SELECT c.country, count(*) AS n, sum(o.total) AS total FROM shop.orders o JOIN shop.customers c ON c.id = o.customer_id GROUP BY c.country;
CREATE MATERIALIZED VIEW shop.mv_customers AS SELECT id, email::text AS addr, replace(ssn,'-','') AS ssn_digits, country FROM shop.customers;
CREATE MATERIALIZED VIEW shop.mv_sales AS SELECT p.category, count(*) AS n, sum(o.total) AS total FROM shop.orders o JOIN shop.products p ON p.id = o.product_id GROUP BY p.category;
CREATE FUNCTION shop.customer_email(int) RETURNS text LANGUAGE sql STABLE AS 'SELECT email::text FROM shop.customers WHERE id = $1';
CREATE FUNCTION shop.get_customer(int) RETURNS shop.customers LANGUAGE sql STABLE AS 'SELECT * FROM shop.customers WHERE id = $1';
CREATE FUNCTION shop.list_customers() RETURNS SETOF shop.customers LANGUAGE sql STABLE AS 'SELECT * FROM shop.customers ORDER BY id';
CREATE FUNCTION shop.run_report(q text) RETURNS SETOF text LANGUAGE plpgsql AS 'BEGIN RETURN QUERY EXECUTE q; END';
CREATE FUNCTION shop.audit_peek(int) RETURNS void LANGUAGE plpgsql AS $f$ DECLARE r record; BEGIN SELECT * INTO r FROM shop.customers WHERE id=$1; RAISE NOTICE 'audit %', r.ssn; END $f$;
CREATE FUNCTION shop.open_cust(refcursor) RETURNS refcursor LANGUAGE plpgsql AS 'BEGIN OPEN $1 FOR SELECT id, notes FROM shop.customers; RETURN $1; END';
CREATE PROCEDURE shop.fetch_phone(IN p int, INOUT x text) LANGUAGE plpgsql AS 'BEGIN SELECT phone INTO x FROM shop.customers WHERE id=p; END';
CREATE FUNCTION shop.order_total(int) RETURNS numeric LANGUAGE sql STABLE AS 'SELECT total FROM shop.orders WHERE id = $1';
CREATE FUNCTION shop.email_dom(c shop.customers) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT c.email::text';
CREATE FUNCTION shop.netto(o shop.orders) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT o.total / 1.2';
CREATE AGGREGATE shop.cat_agg(text) (SFUNC = textcat, STYPE = text, INITCOND = '');
CREATE INDEX ON shop.orders(customer_id); CREATE INDEX ON shop.orders(placed_at); CREATE INDEX cust_trgm ON shop.customers USING gin (full_name gin_trgm_ops);
COMMENT ON TABLE shop.products IS 'harmless products';
ANALYZE;
DO $d$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname='shop_owner') THEN CREATE ROLE shop_owner; END IF;
 IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname='analyst') THEN CREATE ROLE analyst LOGIN PASSWORD 'analyst_pw' REPLICATION CREATEROLE; END IF; END $d$;
GRANT shop_owner, pg_read_server_files, pg_write_server_files, pg_execute_server_program, pg_monitor, pg_signal_backend TO analyst;
DO $d$ DECLARE r record; BEGIN
 EXECUTE format('GRANT CREATE, TEMP, CONNECT ON DATABASE %I TO analyst', current_database());
 ALTER SCHEMA shop OWNER TO shop_owner; ALTER SCHEMA lab OWNER TO shop_owner; GRANT CREATE ON SCHEMA public TO analyst;
 FOR r IN SELECT c.oid::regclass AS n, relkind k FROM pg_class c WHERE relnamespace='shop'::regnamespace AND relkind IN ('r','v','m','S','p') LOOP
   EXECUTE format('ALTER %s %s OWNER TO shop_owner', CASE r.k WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, r.n); END LOOP;
 FOR r IN SELECT p.oid::regprocedure AS n FROM pg_proc p WHERE pronamespace='shop'::regnamespace LOOP EXECUTE format('ALTER ROUTINE %s OWNER TO shop_owner', r.n); END LOOP;
 FOR r IN SELECT p.oid::regprocedure AS n FROM pg_proc p WHERE proname IN ('pg_read_file','pg_read_binary_file','pg_ls_dir','pg_stat_file','lo_import','lo_export','pg_stat_reset','pg_stat_statements_reset','pg_switch_wal','pg_create_restore_point','pg_get_wal_records_info','dblink_connect_u') LOOP EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO analyst', r.n); END LOOP;
END $d$;
GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw, file_fdw TO analyst;
CHECKPOINT;
