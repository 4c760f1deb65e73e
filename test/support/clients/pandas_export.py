"""A report as people write it: SQLAlchemy, read_sql with parameters and chunks, a CSV file on standard output."""
import sys
import warnings

import pandas
import sqlalchemy

warnings.simplefilter("ignore")
engine = sqlalchemy.create_engine("postgresql+psycopg2://")
with engine.connect() as connection:
    frame = pandas.read_sql(
        sqlalchemy.text("SELECT c.*, o.total, o.state, o.ordered_at FROM shop.customers c JOIN shop.orders o ON o.customer_id = c.id "
                        "WHERE c.city = :city ORDER BY o.id"), connection, params={"city": "Vienna"})
    print(frame.dtypes)
    frame.to_csv(sys.stdout, index=False)
    chunks = pandas.read_sql(sqlalchemy.text("SELECT * FROM shop.visits ORDER BY at"), connection, chunksize=100)
    pandas.concat(chunks).to_csv(sys.stdout, index=False)
    by_city = pandas.read_sql(sqlalchemy.text("SELECT city, email FROM shop.customers ORDER BY id"), connection)
    print(by_city.groupby("city").email.nunique())
    inspector = sqlalchemy.inspect(connection)
    print(sorted(inspector.get_table_names("shop")), sorted(inspector.get_view_names("shop")))
    for table in ("customers", "orders", "Kunden Straße"):
        print([(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in inspector.get_columns(table, "shop")])
        print(inspector.get_pk_constraint(table, "shop"), inspector.get_foreign_keys(table, "shop"), inspector.get_indexes(table, "shop"))
    table = sqlalchemy.Table("order_lines", sqlalchemy.MetaData(), schema="shop", autoload_with=connection)
    print(connection.execute(sqlalchemy.select(sqlalchemy.func.sum(table.c.quantity)).where(table.c.line == 2)).scalar())
