import { run } from './process.ts';
import { environmentOf, type Route } from './servers.ts';

export interface DataSize {
  readonly pgbenchScale: number;
  /** Rows of `bulk`, some 128 bytes each on the wire. */
  readonly bulkRows: number;
  readonly people: number;
}

export const BULK_SELECT = 'SELECT * FROM bulk';
export const BULK_COPY = 'COPY bulk TO STDOUT';
export const MASKED_SCRIPT = `\\set id random(1, 10000)
SELECT id, full_name, email, phone, card, born, city FROM people WHERE id = :id;
`;

/** Makes the tables on the direct way. */
export async function makeData(direct: Route, size: DataSize): Promise<void> {
  const env = environmentOf(direct);
  await run('pgbench', ['-i', '-q', '-s', String(size.pgbenchScale), '--unlogged-tables'], { env });
  const sql = `
CREATE UNLOGGED TABLE bulk AS
  SELECT g AS id, md5(g::text) AS a, md5((g + 1)::text) AS b, md5((g + 2)::text) AS c FROM generate_series(1, ${size.bulkRows}) g;
CREATE UNLOGGED TABLE people AS
  SELECT g AS id, 'Person ' || g AS full_name, 'p' || g || '@shop.example' AS email, '+49 30 ' || 1000000 + g AS phone,
         '4111 1111 ' || lpad(g::text, 8, '0') AS card, DATE '1950-01-01' + g % 20000 AS born, 'City ' || g % 100 AS city
  FROM generate_series(1, ${size.people}) g;
CREATE TABLE payroll (person int, salary numeric);
ALTER TABLE people ADD PRIMARY KEY (id);
VACUUM ANALYZE bulk; VACUUM ANALYZE people;
SELECT count(*) FROM bulk;`;
  await run('psql', ['-Xq', '-v', 'ON_ERROR_STOP=1', ...statements(sql)], { env });
}

/** One `-c` each: VACUUM refuses to run in a script of several statements. */
function statements(sql: string): string[] {
  return sql
    .split(';')
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '')
    .flatMap((statement) => ['-c', statement]);
}
