import type { DemoHouse } from './house.ts';
import { type Account, alice, bob, reportJob } from './people.ts';
import { DATABASE } from './sales-database.ts';

/** What is printed after the start: how to connect, what to try, where things are. */
export async function guide(house: DemoHouse): Promise<string> {
  const { ports, identity } = house;
  const tokens = new Map<Account, string>();
  for (const account of [alice, bob, reportJob]) tokens.set(account, await identity.tokenFor(account));
  const api = `http://127.0.0.1:${ports.control}`;
  const target = (account: Account): string =>
    `host=127.0.0.1 port=${ports.postgres} dbname=${DATABASE} user=${account.subject}`;
  const psql = (account: Account): string => `PGPASSWORD="$${variable(account)}" psql "${target(account)}"`;
  const run = process.argv[1]?.endsWith('.ts') ? 'npm run -s gatehouse --' : 'gatehouse';
  return `GATEHOUSE DEMO

Paste this into another terminal first. The password is an OIDC token; it is good for eight hours:

${[alice, bob, reportJob].map((account) => `export ${variable(account)}=${tokens.get(account)}`).join('\n')}

An analyst, ${alice.email}:
  ${psql(alice)}

A data owner, ${bob.email}:
  ${psql(bob)}

A service account with a pandas export script:
  python3 - <<'EOF'
  import os, pandas, sqlalchemy
  engine = sqlalchemy.create_engine(f"postgresql+psycopg2://${reportJob.subject}:{os.environ['${variable(reportJob)}']}@127.0.0.1:${ports.postgres}/${DATABASE}")
  pandas.read_sql("SELECT city, orders, revenue FROM shop.revenue_by_city", engine).to_csv("revenue.csv", index=False)
  EOF

FIVE THINGS TO TRY

1. As the analyst:  SELECT full_name, email, phone, birth_date, card_number FROM shop.customers LIMIT 5;
   Names and phones come redacted, e-mail addresses as pseudonyms, births as years, cards with their last four digits.
2. As the analyst:  DELETE FROM shop.orders;
   Refused with the reason. Your session goes on.
3. As the analyst:  SELECT * FROM hr.salaries;
   Confidential: it waits for a data owner's consent and says under which request.
4. As the analyst:  \\copy (SELECT id, customer_id, state FROM shop.orders LIMIT 5000) to 'orders.csv' csv header
   1000 rows come; then it waits. As the data owner, in another terminal:
     export GATEHOUSE_URL=${api} GATEHOUSE_TOKEN="$${variable(bob)}"
     ${run} requests list --state pending
     ${run} requests approve ID --reason 'quarterly report, agreed with sales'
   The export goes on by itself.
5. Who did what, and the proof of it:
     ${run} sessions list
     ${run} ledger verify ${house.gatewayFolder}

The log-in of the command line:  ${run} login --server ${api} --issuer ${identity.issuer}   (alice or bob, any password)

Everything of this demo is in ${house.folder}
  gateway/policies and gateway/labels are yours to change; the gateway follows at once.
Ctrl-C stops all of it.
`;
}

function variable(account: Account): string {
  return `${account.subject.toUpperCase().replace('-', '_')}_TOKEN`;
}
