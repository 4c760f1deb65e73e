"""Walks through what psycopg 3 does with a server and prints all of it: run against two servers, the output must be equal."""
import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb


def show(label, cursor):
    columns = [(c.name, c.type_code, c.internal_size, c.precision, c.scale) for c in cursor.description or []]
    print(label, cursor.statusmessage, cursor.rowcount, columns)
    for row in cursor.fetchall() if cursor.description else []:
        print("  ", row)


def failed(label, run):
    try:
        run()
    except psycopg.Error as error:
        diag = error.diag
        fields = {n: getattr(diag, n) for n in dir(diag) if not n.startswith(("_", "source_"))}
        print(label, type(error).__name__, {n: v for n, v in fields.items() if isinstance(v, str)})


with psycopg.connect("") as conn:
    conn.add_notice_handler(lambda d: print("notice", d.severity, d.sqlstate, d.message_primary, d.message_hint))
    for binary in (False, True):
        with conn.cursor(binary=binary) as cur:
            for table, key in (("customers", "id"), ("orders", "id"), ("payments", "order_id"), ("products", "id")):
                cur.execute(sql.SQL("SELECT * FROM shop.{} ORDER BY {} LIMIT 15").format(sql.Identifier(table), sql.Identifier(key)))
                show(table, cur)
            cur.execute("SELECT %s::int[], %s::jsonb, %s, %b::date", ([1, 2], Jsonb({"a": [None, 1.5]}), "ü", __import__("datetime").date(2024, 2, 29)))
            show("parameters", cur)
    for _ in range(7):  # prepared on the server from the sixth time on
        cur = conn.execute("SELECT id, email FROM shop.customers WHERE id = %s", (_ + 1,))
        show("again", cur)
    show("prepared", conn.execute("SELECT statement, parameter_types FROM pg_prepared_statements"))
    conn.execute("SELECT shop.order_count(%s)", (3,))
    conn.commit()
    for label, text in (("syntax", "SELEC 1"), ("column", "SELECT 1 + nonsense"), ("raised", "SELECT shop.order_count(99999)"),
                        ("duplicate", "INSERT INTO shop.products VALUES (1, 'x', 1)"), ("division", "SELECT 1/0")):
        failed(label, lambda: conn.execute(text))
        failed("after " + label, lambda: conn.execute("SELECT 1"))
        conn.rollback()
    with conn.transaction(force_rollback=True), conn.cursor() as cur:
        cur.execute("CREATE TEMP TABLE loaded (a int, b text, c timestamptz)")
        with cur.copy("COPY loaded (a, b) FROM STDIN") as copy:
            for n in range(3000):
                copy.write_row((n, None if n % 7 == 0 else f"row\t{n}\\"))
        show("loaded", cur)
        with cur.copy("COPY (SELECT * FROM loaded WHERE a < 40) TO STDOUT (FORMAT BINARY)") as copy:
            copy.set_types(["int4", "text", "timestamptz"])
            for row in copy.rows():
                print("  ", row)
        cur.executemany("INSERT INTO loaded (a) VALUES (%s) RETURNING a", [(n,) for n in range(5)], returning=True)
        while True:
            show("many", cur)
            if not cur.nextset():
                break
        with conn.transaction():
            failed("in a savepoint", lambda: conn.execute("SELECT 'x'::int"))
            raise psycopg.Rollback()
    with conn.cursor(name="served") as cur:
        cur.itersize = 10
        cur.execute("SELECT id, state, total FROM shop.orders WHERE id <= 35 ORDER BY id")
        for row in cur:
            print("  ", row)
        cur.scroll(5, mode="absolute")
        print(cur.fetchone())
    conn.rollback()
    with conn.pipeline() as pipeline:
        cursors = [conn.execute("SELECT %s::int * 2", (n,)) for n in range(5)]
        pipeline.sync()
        for cur in cursors:
            show("pipelined", cur)
    conn.rollback()

    def broken_pipeline():
        with conn.pipeline():
            conn.execute("SELECT 1")
            conn.execute("SELECT 1/0")
            conn.execute("SELECT 2")

    failed("pipeline", broken_pipeline)
    conn.rollback()
    conn.autocommit = True
    show("multi", conn.execute("SELECT 1; SELECT 2, 3"))
    print(conn.info.parameter_status("server_version"), conn.info.encoding, conn.info.transaction_status, conn.info.dbname)
