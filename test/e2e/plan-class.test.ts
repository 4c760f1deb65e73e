/** Masks must not cost an index: the target plans a masked statement with the same nodes over the same indexes as the statement itself. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import type pg from 'pg';
import { type House, openHouse } from '../support/gateway-house.ts';

let house: House;
let direct: pg.Client;
let masked: pg.Client;

/** Enough rows for the planner to think about indexes. */
const GROWN = `
INSERT INTO shop.customers (id, full_name, email, phone, city, address, created_at)
SELECT n, 'Secretname ' || n, 'person' || n || '@secret.example', '+43 660 ' || n, 'Graz', ROW ('Hidden street ' || n, 'Graz')::shop.postal_address,
       timestamptz '2024-03-01 00:00:00+00' + n * interval '1 minute'
  FROM generate_series(301, 20000) n;
INSERT INTO shop.visits SELECT timestamp '2024-01-01' + n * interval '25 minutes', n % 300, 'v' || n || '@secret.example', '/p' FROM generate_series(1, 40000) n;
CREATE UNIQUE INDEX customers_by_time ON shop.customers (created_at);
CREATE INDEX customers_by_city ON shop.customers (city, id);
CREATE INDEX visits_by_time ON shop.visits (at);
ANALYZE shop.customers, shop.visits`;

before(async () => {
  house = await openHouse({
    prepare: async (server) => {
      const admin = await server.admin();
      await admin.query(GROWN);
      await admin.end();
    },
  });
  direct = await house.connect(house.direct);
  masked = await house.connect(await house.through('ana', 'analysts'));
});
after(() => house?.[Symbol.asyncDispose]());

const LOOKUPS: Readonly<Record<string, string>> = {
  'a primary key': 'SELECT * FROM shop.customers WHERE id = 777',
  'a primary key in a list': 'SELECT id, email FROM shop.customers WHERE id IN (7, 70, 700)',
  'a primary key through an alias': 'SELECT c.email FROM shop.customers AS c (a) WHERE c.a = 777',
  'a unique index': "SELECT id, full_name FROM shop.customers WHERE created_at = '2024-03-05 10:00:00+00'",
  'a range of an index': "SELECT email FROM shop.customers WHERE created_at BETWEEN '2024-03-05' AND '2024-03-06'",
  'two columns of an index': "SELECT email FROM shop.customers WHERE city = 'Graz' AND id > 19990",
  'an index alone': 'SELECT id FROM shop.customers WHERE id BETWEEN 10 AND 20',
  'an order that an index has': 'SELECT * FROM shop.customers ORDER BY id LIMIT 5',
  'an order from its end': 'SELECT email, created_at FROM shop.customers ORDER BY created_at DESC LIMIT 5',
  'the largest value of an index': 'SELECT max(created_at) FROM shop.customers',
  'a join by a foreign key':
    'SELECT o.id, c.email FROM shop.orders o JOIN shop.customers c ON c.id = o.customer_id WHERE o.id = 5',
  'a join of many rows': 'SELECT o.id, c.full_name FROM shop.orders o JOIN shop.customers c ON c.id = o.customer_id',
  'a left join':
    'SELECT o.id, c.email FROM shop.orders o LEFT JOIN shop.customers c ON c.id = o.customer_id WHERE o.id < 10',
  'a lateral query':
    'SELECT o.id, l.email FROM shop.orders o, LATERAL (SELECT email FROM shop.customers c WHERE c.id = o.customer_id) l WHERE o.id < 10',
  'a condition with EXISTS':
    'SELECT o.id FROM shop.orders o WHERE o.id < 20 AND EXISTS (SELECT 1 FROM shop.customers c WHERE c.id = o.customer_id)',
  'a scalar sub-select': 'SELECT (SELECT email FROM shop.customers WHERE id = 777)',
  'one partition': "SELECT * FROM shop.visits WHERE at >= '2025-03-01' AND at < '2025-03-02'",
  'all partitions but pruned at the start':
    "SELECT email FROM shop.visits WHERE at = timestamp '2024-05-05' + interval '0'",
  'an order over partitions': 'SELECT * FROM shop.visits ORDER BY at LIMIT 10',
  'a count': 'SELECT count(*) FROM shop.customers',
  'a count over an index': 'SELECT count(*) FROM shop.customers WHERE id < 100',
  'groups by a column that is not hidden': 'SELECT city, count(*) FROM shop.customers GROUP BY city',
  'a view': 'SELECT email FROM shop.customer_contacts WHERE id = 777',
  'a join of views': 'SELECT id, buyer FROM shop.order_overview WHERE id = 5',
  'a CTE that is read once': 'WITH q AS (SELECT * FROM shop.customers) SELECT email FROM q WHERE id = 777',
  'a set operation':
    'SELECT email FROM shop.customers WHERE id = 1 UNION ALL SELECT email FROM shop.customers WHERE id = 2',
};

for (const [name, sql] of Object.entries(LOOKUPS)) {
  test(`${name} is planned the same when columns are masked`, async () => {
    assert.deepEqual(await planOf(masked, sql), await planOf(direct, sql));
  });
}

test('a prepared statement uses the index when it is executed', async () => {
  for (const client of [direct, masked]) {
    await client.query('PREPARE look AS SELECT email FROM shop.customers WHERE id = $1');
    const { rows } = await client.query('EXPLAIN (COSTS OFF) EXECUTE look (777)');
    assert.match(JSON.stringify(rows), /Index Scan using customers_pkey/);
  }
});

interface Node {
  readonly 'Node Type': string;
  readonly 'Index Name'?: string;
  readonly 'Relation Name'?: string;
  readonly 'Index Cond'?: string;
  /** How it serves the node above it. */
  readonly 'Parent Relationship'?: string;
  readonly Plans?: readonly Node[];
}

/** Nodes from the top down: what each does, over which relation and index, and whether the index answers a condition. */
async function planOf(client: pg.Client, sql: string): Promise<readonly string[]> {
  const { rows } = await client.query<{ 'QUERY PLAN': readonly { readonly Plan: Node }[] }>(
    `EXPLAIN (COSTS OFF, FORMAT JSON) ${sql}`,
  );
  const plan = rows[0]?.['QUERY PLAN'][0]?.Plan;
  assert.ok(plan);
  return nodes(plan, 0);
}

function nodes(node: Node, depth: number): readonly string[] {
  const condition = node['Index Cond'] === undefined ? '' : 'by condition';
  const parts = [node['Node Type'], node['Relation Name'], node['Index Name'], condition].filter(Boolean);
  const children = (node.Plans ?? []).filter((child) => !isComputation(child));
  // Append computes nothing itself: masks over it stand in a node of their own.
  if (node['Node Type'] === 'Result' && children.length > 0) return children.flatMap((child) => nodes(child, depth));
  return [`${' '.repeat(depth)}${parts.join(' ')}`, ...children.flatMap((child) => nodes(child, depth + 1))];
}

/** A pseudonym is computed with its key in a sub-select that reads nothing. */
function isComputation(node: Node): boolean {
  return (
    node['Node Type'] === 'Result' &&
    node.Plans === undefined &&
    /^(SubPlan|InitPlan)$/.test(node['Parent Relationship'] ?? '')
  );
}
