"""The same with psycopg2: the simple protocol, named cursors, COPY and notices."""
import io
import psycopg2
import psycopg2.extras

conn = psycopg2.connect("")


def failed(label, text):
    try:
        conn.cursor().execute(text)
    except psycopg2.Error as error:
        d = error.diag
        print(label, type(error).__name__, error.pgcode, d.severity, d.message_primary, d.message_detail, d.message_hint,
              d.statement_position, d.constraint_name, d.table_name, d.column_name, d.schema_name, d.context)
    conn.rollback()


cur = conn.cursor()
for table, key in (("customers", "id"), ("orders", "id"), ("payments", "order_id"), ("visits", "at")):
    cur.execute(f"SELECT * FROM shop.{table} ORDER BY {key} LIMIT 15")
    print([c[:6] for c in cur.description], cur.statusmessage, cur.rowcount)
    for row in cur:
        print("  ", [bytes(v) if isinstance(v, memoryview) else v for v in row])
cur.execute("SELECT %s, %s, %s", ("it's", [1, None], None))
print(cur.fetchall())
named = conn.cursor("named", scrollable=True)
named.itersize = 8
named.execute("SELECT id, note FROM shop.orders WHERE id <= 30 ORDER BY id")
print(list(named))
named.scroll(2, mode="absolute")
print(named.fetchone())
named.close()
cur.execute("SELECT shop.order_count(5)")
print(cur.fetchone(), conn.notices)
cur.execute("CREATE TEMP TABLE loaded (a int, b text)")
cur.copy_expert("COPY loaded FROM STDIN (FORMAT csv)", io.StringIO("".join(f'{n},"x ""{n}"""\n' for n in range(500))))
print(cur.rowcount)
psycopg2.extras.execute_values(cur, "INSERT INTO loaded VALUES %s", [(n, "v") for n in range(250)])
out = io.StringIO()
cur.copy_expert("COPY (SELECT * FROM loaded ORDER BY a, b LIMIT 20) TO STDOUT (FORMAT csv, HEADER)", out)
print(out.getvalue())
conn.rollback()
for label, text in (("syntax", "SELEC 1"), ("column", "SELECT nonsense"), ("foreign key", "DELETE FROM shop.customers"),
                    ("check", "INSERT INTO shop.products VALUES (99, 'x', -1)"), ("raised", "SELECT shop.order_count(99999)")):
    failed(label, text)
cur.callproc("shop.vat", (10,))
print(cur.fetchone(), conn.get_transaction_status(), conn.server_version, conn.encoding)
conn.rollback()
