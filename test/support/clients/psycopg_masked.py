"""Reads personal data in every way psycopg 3 knows, and prints it."""
import psycopg

QUERY = "SELECT id, full_name, email, email_lower, phone, card_number, birth_date, prefs FROM shop.customers ORDER BY id LIMIT 5"
with psycopg.connect("", autocommit=True) as conn:
    for binary in (False, True):
        print(conn.cursor(binary=binary).execute(QUERY).fetchall())
    for _ in range(8):  # prepared on the server from the sixth time on
        print(conn.execute("SELECT email FROM shop.customers WHERE id = %s", (_ + 1,), binary=_ % 2 == 0).fetchall())
    with conn.transaction(), conn.cursor(name="served") as cur:
        cur.itersize = 3
        print(cur.execute("SELECT c FROM shop.customers c ORDER BY id LIMIT 9").fetchall())
    for form in ("TEXT", "BINARY", "CSV"):
        with conn.cursor().copy(f"COPY shop.customers (id, email, phone) TO STDOUT (FORMAT {form})") as copy:
            print(b"".join(bytes(part) for part in copy))
    with conn.pipeline():
        cursors = [conn.execute("SELECT email, iban FROM shop.customers, shop.payments WHERE customers.id = %s LIMIT 1", (n,)) for n in range(1, 4)]
        print([cur.fetchall() for cur in cursors])
print("done")
