/** Mutated statements must never make the analyser throw, and what it says about offsets must hold. Runs a fixed number of rounds. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { substitute } from '../../src/masking/substitute.ts';
import { catalog, customers, noObjects, session, sharedAnalyser } from '../unit/statement/world.ts';

const PIECES = [
  ...'SELECT FROM WHERE WITH RECURSIVE AS ( ) ( ) , , . * ; ONLY TABLE TABLESAMPLE SYSTEM(1) JOIN ON true USING (id) LATERAL VALUES'.split(
    ' ',
  ),
  ...'INSERT INTO UPDATE SET DELETE RETURNING MERGE COPY TO STDOUT EXPLAIN PREPARE p EXECUTE GROUP BY ORDER UNION ALL x c'.split(
    ' ',
  ),
  ...'shop.customers customers shop orders email id name "email" U&"shop" :: text = 1 $1 -- /* */ \n'.split(' '),
  ...["'a'", "E'\\''", '$$', '$a$', "U&'x'", 'ä', '😀', "'", '"', '\\', '\t', ' '],
];
const text = fc.array(fc.constantFrom(...PIECES), { maxLength: 30 }).map((pieces) => pieces.join(' '));
const hidden = new Map([
  [customers.oid, { relation: customers, expressions: new Map([['email', 'NULL::text']]), masks: new Map() }],
]);

test('no text makes the analyser or the substitution throw, and every site lies within its statement', async () => {
  const analyser = await sharedAnalyser();
  fc.assert(
    fc.property(fc.oneof(text, fc.string({ unit: 'binary' })), (sql) => {
      const world = { catalog, session, connection: 'shop', objects: noObjects };
      const script = analyser.analyse(sql, world);
      const followed = analyser.analyse(sql, { ...world, followValues: true });
      assert.equal('kind' in followed, 'kind' in script, `following values changes what is understood: ${sql}`);
      if ('kind' in script) return;
      const bytes = Buffer.byteLength(sql);
      for (const statement of script.statements) {
        assert.ok(statement.start >= 0 && statement.end <= bytes);
        for (const site of statement.sites) {
          if (site.form === 'behind') continue;
          assert.ok(site.start >= statement.start && site.end <= statement.end && site.start < site.end, sql);
        }
      }
      const result = substitute(script, hidden, catalog);
      if ('refusal' in result || !result.changed) return;
      const again = analyser.analyse(result.text, { catalog, session, connection: 'shop', objects: noObjects });
      assert.ok(!('kind' in again), `${sql} → ${result.text}`);
    }),
    { numRuns: 20_000 },
  );
});
