import assert from 'node:assert/strict';
import test from 'node:test';
import type { CatalogAttachment, CatalogFunction, CatalogSnapshot } from '../../../src/model/catalog.ts';
import { Grammar } from '../../../src/statement/sql/postgres/grammar.ts';
import { blockOf } from '../../../src/statement/sql/postgres/plpgsql.ts';
import {
  catalog,
  customers,
  fn,
  hazardsOf,
  orders,
  questionsOf,
  relation,
  session,
  sitesOf,
  statement,
} from './world.ts';

const EVERYTHING = `DECLARE r record; v int := m1(); c CURSOR (k int) FOR SELECT m2(k); arr int[]; x int; cc refcursor; d text DEFAULT m3();
BEGIN
  arr[m4()] := m5();
  IF m6() THEN NULL; ELSIF m7() THEN NULL; ELSE x := m8(); END IF;
  CASE m9() WHEN m10() THEN x := m11(); ELSE NULL; END CASE;
  CASE WHEN m12() THEN NULL; END CASE;
  WHILE m13() LOOP EXIT WHEN m14(); CONTINUE WHEN m15(); END LOOP;
  FOR i IN REVERSE m16()..m17() BY m18() LOOP NULL; END LOOP;
  FOR r IN SELECT m19() LOOP NULL; END LOOP;
  FOR r IN c(m20()) LOOP NULL; END LOOP;
  FOREACH x IN ARRAY m21() LOOP NULL; END LOOP;
  OPEN c(m22()); OPEN cc FOR SELECT m23(); FETCH RELATIVE m24() FROM c INTO r; MOVE ABSOLUTE m25() FROM cc; CLOSE c;
  RETURN NEXT m26(); RETURN QUERY SELECT m27();
  RAISE NOTICE 'x %', m28() USING DETAIL = m29(), HINT = m30();
  ASSERT m31(), m32();
  PERFORM m33(); SELECT m34() INTO STRICT x; INSERT INTO t VALUES (m35()) RETURNING m36() INTO x;
  CALL p(m37());
  BEGIN x := m38(); EXCEPTION WHEN division_by_zero THEN x := m39(); GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL; END;
  <<l>> LOOP x := m40(); EXIT l; END LOOP;
  x = m41();
  RETURN;
END`;

test('every expression of PL/pgSQL is found', async () => {
  const grammar = await Grammar.load();
  const block = blockOf(
    grammar.parsePlpgsql(`CREATE FUNCTION f() RETURNS SETOF int LANGUAGE plpgsql AS $f$${EVERYTHING}$f$`),
  );
  const sql = block?.sql.join('\n') ?? '';
  for (let n = 1; n <= 41; n++) assert.match(sql, new RegExp(`\\bm${n}\\(`), `m${n}`);
  assert.deepEqual([block?.speaks, block?.seesDetails], [true, true]);
});

for (const statement of [
  "EXECUTE 'SELECT 1'",
  "RETURN QUERY EXECUTE 'SELECT 1'",
  "OPEN cc FOR EXECUTE 'SELECT 1'",
  "FOR r IN EXECUTE 'SELECT 1' LOOP NULL; END LOOP",
  'COMMIT',
  'ROLLBACK',
]) {
  test(`${statement} is not understood`, async () => {
    const grammar = await Grammar.load();
    const text = `CREATE FUNCTION f() RETURNS SETOF int LANGUAGE plpgsql AS $f$DECLARE cc refcursor; r record; BEGIN ${statement}; END$f$`;
    const tree = grammar.parsePlpgsql(text);
    assert.ok(tree, 'it parses');
    assert.equal(blockOf(tree), undefined);
  });
}

const plpgsql = (name: string, source: string, more: Partial<CatalogFunction> = {}): CatalogFunction =>
  fn(name, { language: 'plpgsql', source, ...more });

function withFunctions(...functions: CatalogFunction[]): { catalog: CatalogSnapshot } {
  return { catalog: { ...catalog, functions: [...catalog.functions, ...functions] } };
}

const outcomes: readonly (readonly [CatalogFunction, readonly string[]])[] = [
  [plpgsql('shop.f', 'BEGIN RETURN 1 + 1; END'), []],
  [plpgsql('shop.f', 'BEGIN RETURN (SELECT email FROM shop.customers); END'), ['function-reads hidden-here']],
  [plpgsql('shop.f', "BEGIN EXECUTE 'SELECT 1'; END"), ['opaque-function hidden-anywhere']],
  [plpgsql('shop.f', 'BEGIN this is not the language; END'), ['opaque-function hidden-anywhere']],
  [plpgsql('shop.f', 'BEGIN RETURN 1 1; END'), ['opaque-function hidden-anywhere']],
  [plpgsql('shop.f', 'BEGIN SET search_path = shop; RETURN 1; END'), ['opaque-function hidden-anywhere']],
  [
    plpgsql('shop.f', "BEGIN PERFORM set_config('search_path', 'shop', true); RETURN 1; END"),
    ['opaque-function hidden-anywhere'],
  ],
  [plpgsql('shop.f', 'BEGIN CREATE TEMP TABLE x (id int); RETURN 1; END'), ['opaque-function hidden-anywhere']],
  [plpgsql('shop.f', 'BEGIN RETURN (SELECT id FROM gone); END'), ['opaque-function hidden-anywhere']],
  [plpgsql('shop.f', 'BEGIN RETURN shop.f(); END'), []],
  [plpgsql('shop.f', 'BEGIN RETURN shop.customer_email(1); END'), ['function-reads hidden-here']],
  [plpgsql('shop.f', "BEGIN RETURN shop.run_report('x'); END"), ['opaque-function hidden-anywhere']],
  [plpgsql('shop.f', 'BEGIN RETURN a; END', { defaults: 'shop.customer_email(1)' }), ['function-reads hidden-here']],
  [plpgsql('shop.f', 'BEGIN RETURN 1; END', { defaults: '' }), ['opaque-function hidden-anywhere']],
  [fn('shop.f', { language: 'plpython3u' }), ['opaque-function hidden-anywhere']],
  [plpgsql('shop.f', 'BEGIN UPDATE shop.orders SET total = 1; END'), []],
  [plpgsql('shop.f', "BEGIN RETURN '\\'; END"), []],
];
for (const [f, expected] of outcomes) {
  test(`a function whose body is ${f.source ?? f.language}${f.defaults ?? ''}`, async () => {
    const found = await statement('SELECT shop.f()', withFunctions(f));
    assert.deepEqual([...new Set(hazardsOf(found))], expected);
    assert.ok(questionsOf(found).includes('call shop.f'), 'policy is asked');
  });
}

test('a body that reads a hidden column is named in the reason, and so is what it reads', async () => {
  const f = plpgsql('shop.f', 'DECLARE r record; BEGIN SELECT email INTO r FROM shop.customers; RETURN r; END');
  const found = await statement('SELECT shop.f()', withFunctions(f));
  assert.deepEqual(found.hazards[0]?.columns, new Set(['email']));
  assert.match(found.hazards[0]?.message ?? '', /The function shop\.f reads .*\{columns\} of shop\.customers/);
});

test('what a body reads and writes is asked of policies, and it counts as a change only when it changes', async () => {
  const reads = plpgsql('shop.f', 'BEGIN RETURN (SELECT count(*) FROM shop.orders); END');
  const read = await statement('SELECT shop.f()', withFunctions(reads));
  assert.deepEqual([read.effect, questionsOf(read)], ['read', ['read shop.orders', 'call shop.f']]);
  assert.deepEqual(sitesOf(read), ['shop.orders']);
  const writes = plpgsql('shop.f', 'BEGIN DELETE FROM shop.orders; END');
  const write = await statement('SELECT shop.f()', withFunctions(writes));
  assert.deepEqual([write.effect, questionsOf(write)], ['change', ['write shop.orders', 'call shop.f']]);
});

test('parameters of every mode are variables of the body', async () => {
  const parameters = [
    { mode: 'in', name: 'a b', type: 25 },
    { mode: 'inout', name: 'row', type: 90_001 },
    { mode: 'table', name: 'n', type: 25 },
  ] as const;
  const f = plpgsql('shop.f', 'BEGIN SELECT "a b" INTO n; "row".id := 3; RETURN NEXT; END', {
    parameters,
    returnsSet: true,
  });
  assert.deepEqual(hazardsOf(await statement('SELECT shop.f()', withFunctions(f))), []);
});

test('a variable of a row type may be assigned to by field', async () => {
  const f = plpgsql('shop.f', 'DECLARE r shop.orders%ROWTYPE; BEGIN r.id := 1; RETURN r.id; END');
  assert.deepEqual(hazardsOf(await statement('SELECT shop.f()', withFunctions(f))), []);
});

test('a function that runs as another user may mean other schemas by "$user"', async () => {
  const source = 'BEGIN RETURN (SELECT note FROM orders); END';
  const run = async (more: Partial<CatalogFunction>, schemas: readonly string[]): Promise<readonly string[]> => {
    const world = withFunctions(plpgsql('shop.f', source, more));
    const found = await statement('SELECT shop.f()', {
      catalog: { ...world.catalog, schemas: new Set([...catalog.schemas, ...schemas]) },
    });
    return [...hazardsOf(found), ...sitesOf(found)];
  };
  const read = ['function-reads hidden-here', 'public.orders'];
  const unknown = ['opaque-function hidden-anywhere'];
  assert.deepEqual(await run({}, ['ann']), read);
  assert.deepEqual(await run({ securityDefiner: true, owner: 'ann' }, ['ann']), read);
  assert.deepEqual(await run({ securityDefiner: true, owner: 'bob' }, []), read);
  assert.deepEqual(await run({ securityDefiner: true, owner: 'bob' }, ['bob']), unknown);
  assert.deepEqual(await run({ securityDefiner: true, owner: 'bob' }, ['ann']), unknown);
  assert.deepEqual(await run({ securityDefiner: true }, ['bob']), unknown);
  assert.deepEqual(await run({ securityDefiner: true, owner: 'bob', searchPath: ['$user', 'public'] }, ['ann']), read);
});

test('a body that is too deep for the parser costs that body, not the next one', async () => {
  const deep = plpgsql('shop.deep', `BEGIN RETURN ${'('.repeat(100_000)}1${')'.repeat(100_000)}; END`);
  const long = plpgsql('shop.long', `BEGIN RETURN 1${'+1'.repeat(50_000)}; END`);
  const blocks = plpgsql('shop.blocks', `${'BEGIN '.repeat(50_000)} NULL; ${'END; '.repeat(50_000)}`);
  const after = plpgsql('shop.f', 'BEGIN RETURN 1; END');
  const world = withFunctions(deep, long, blocks, after);
  for (let round = 0; round < 3; round++) {
    for (const name of ['deep', 'long', 'blocks']) {
      const found = await statement(`SELECT shop.${name}()`, world);
      assert.deepEqual(hazardsOf(found), ['opaque-function hidden-anywhere'], name);
    }
    assert.deepEqual(hazardsOf(await statement('SELECT shop.f()', world)), []);
  }
});

test('functions that call one another without end are bounded, and the statement is still judged', async () => {
  const many = Array.from({ length: 40 }, (_, n) =>
    plpgsql(
      `shop.g${n}`,
      `BEGIN PERFORM ${Array.from({ length: 40 }, (_, m) => `shop.g${m}()`).join(', ')}; RETURN (SELECT email FROM shop.customers); END`,
    ),
  );
  const found = await statement('SELECT shop.g0()', withFunctions(...many));
  assert.ok(hazardsOf(found).length > 0 && hazardsOf(found).length < 100);
});

test('a function that many call is read once', async () => {
  const chain = Array.from({ length: 12 }, (_, n) =>
    plpgsql(`shop.h${n}`, n === 0 ? 'BEGIN RETURN 1; END' : `BEGIN RETURN ${`shop.h${n - 1}() + `.repeat(50)} 0; END`),
  );
  assert.deepEqual(hazardsOf(await statement('SELECT shop.h11()', withFunctions(...chain))), []);
});

test('details of errors repeat rows of what is written', async () => {
  const handler = 'EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL; RETURN d;';
  const f = plpgsql('shop.f', `DECLARE d text; BEGIN UPDATE shop.customers SET country = NULL; ${handler} END`);
  const [hazard] = (await statement('SELECT shop.f()', withFunctions(f))).hazards;
  assert.deepEqual([hazard?.applies, hazard?.relations, hazard?.columns], ['hidden-here', [customers.oid], undefined]);
  const other = f.source?.replace('PG_EXCEPTION_DETAIL', 'RETURNED_SQLSTATE') ?? '';
  assert.deepEqual(hazardsOf(await statement('SELECT shop.f()', withFunctions(plpgsql('shop.f', other)))), []);
});

function attachedTo(
  attachment: Omit<CatalogAttachment, 'on'> & { on?: number },
  ...functions: CatalogFunction[]
): { catalog: CatalogSnapshot } {
  const { catalog: base } = withFunctions(...functions);
  return { catalog: { ...base, attachments: [{ on: orders.oid, ...attachment }] } };
}

test('an attachment whose text could not be read is not trusted', async () => {
  const insert = 'INSERT INTO shop.orders (id) VALUES (1)';
  for (const kind of ['default', 'check', 'rule', 'policy', 'index'] as const) {
    const found = await statement(insert, attachedTo({ kind, events: ['insert'] }));
    assert.equal(hazardsOf(found).length, 1, kind);
    assert.deepEqual(hazardsOf(await statement(insert, attachedTo({ kind, events: ['delete'] }))), [], kind);
  }
  const unknownFunction = attachedTo({ kind: 'trigger', events: ['insert'], function: 1, text: '' });
  assert.deepEqual(hazardsOf(await statement(insert, unknownFunction)), ['trigger-on-target hidden-anywhere']);
});

test('a sequence behind a default needs no leave, and a computed setting in one is refused', async () => {
  const insert = 'INSERT INTO shop.orders (id) VALUES (1)';
  const serial = attachedTo({
    kind: 'default',
    events: ['insert', 'update'],
    text: "nextval('shop.tickets'::regclass)",
  });
  const found = await statement(insert, serial);
  assert.deepEqual([hazardsOf(found), questionsOf(found)], [[], ['write shop.orders']]);
  const runs = attachedTo({
    kind: 'default',
    events: ['insert'],
    text: "query_to_xml('SELECT email FROM shop.customers'::text, true, true, ''::text)",
  });
  assert.deepEqual(hazardsOf(await statement(insert, runs)), ['function-reads hidden-here']);
});

test('a trigger that only reads a confidential table may be forbidden, and needs no permit', async () => {
  const f = plpgsql(
    'shop.f',
    'BEGIN PERFORM id FROM public.orders; INSERT INTO shop.audited VALUES (1); RETURN NEW; END',
  );
  const found = await statement(
    'INSERT INTO shop.orders (id) VALUES (1)',
    attachedTo({ kind: 'trigger', events: ['insert'], function: f.oid, text: '' }, f),
  );
  assert.deepEqual(
    found.questions.map(({ action, unlessForbidden }) => [action, unlessForbidden ?? false]),
    [
      ['write', false],
      ['read', true],
    ],
  );
});

test('the same attachment runs for what hangs on the relation: children, views, foreign keys', async () => {
  const parent = relation('shop.parent', 'id integer');
  const child = relation('shop.child', 'id integer', { parents: [parent.oid] });
  const view = relation('shop.v', 'id integer', {
    kind: 'view',
    reads: [parent.oid],
    definition: 'SELECT id FROM shop.parent',
  });
  const key = relation('shop.key', 'id integer');
  const attachments: CatalogAttachment[] = [
    { kind: 'trigger', on: child.oid, events: ['delete'], function: 1, text: '' },
    { kind: 'cascade', on: key.oid, events: ['delete'], to: parent.oid, becomes: 'delete' },
  ];
  const relations = new Map([
    ...catalog.relations,
    ...[parent, child, view, key].map((item) => [item.oid, item] as const),
  ]);
  const world = { catalog: { ...catalog, relations, attachments } };
  for (const name of ['child', 'parent', 'v', 'key']) {
    const found = await statement(`DELETE FROM shop.${name}`, world);
    assert.deepEqual(hazardsOf(found), ['trigger-on-target hidden-anywhere'], name);
    assert.deepEqual(hazardsOf(await statement(`INSERT INTO shop.${name} VALUES (1)`, world)), [], name);
  }
});

test('functions of the makers of a view are among those of the statement', async () => {
  const f = plpgsql('shop.f', 'BEGIN RETURN 1; END');
  const view = relation('shop.v', 'n integer', { kind: 'view', definition: ' SELECT shop.f() AS n, now() AS m;' });
  const over = relation('shop.w', 'n integer', { kind: 'view', definition: ' SELECT v.n FROM shop.v;' });
  const relations = new Map([...catalog.relations, [view.oid, view], [over.oid, over]] as const);
  const found = await statement('SELECT n FROM shop.w', { catalog: { ...withFunctions(f).catalog, relations } });
  assert.deepEqual(found.functions, [{ schema: 'shop', name: 'f' }]);
  assert.deepEqual(questionsOf(found), ['read shop.w']);
});

test('functions behind operators are named when users wrote them, not when an extension did', async () => {
  const own = plpgsql('shop.same', 'BEGIN RETURN true; END');
  const foreign = fn('public.same_too', { language: 'c', extension: 'citext' });
  const operators = [
    { schema: 'public', name: '~~~', implementation: own.oid },
    { schema: 'public', name: '===', implementation: foreign.oid },
  ];
  const world = { catalog: { ...withFunctions(own, foreign).catalog, operators } };
  assert.deepEqual((await statement('SELECT 1 ~~~ 2', world)).functions, [{ schema: 'shop', name: 'same' }]);
  assert.deepEqual((await statement('SELECT 1 === 2', world)).functions, []);
});

test('standard_conforming_strings off leaves bodies with backslashes unread', async () => {
  const f = plpgsql('shop.f', "BEGIN RETURN '\\'; END");
  const found = await statement('SELECT shop.f()', {
    ...withFunctions(f),
    session: { ...session, standardConformingStrings: false },
  });
  assert.deepEqual(hazardsOf(found), ['opaque-function hidden-anywhere']);
});

test('what is a word of the grammar today is a function’s name for a server that does not know the word', async () => {
  const calls: Readonly<Record<string, readonly [call: string, since: number]>> = {
    json_value: ["json_value(1, 'x')", 170000],
    json_query: ["json_query(1, 'x')", 170000],
    json_exists: ["json_exists(1, 'x')", 170000],
    json_table: ["* FROM json_table(1, 'x' COLUMNS (a int))", 170000],
    json_scalar: ['json_scalar(1)', 170000],
    json_serialize: ['json_serialize(1)', 170000],
    json: ['json(1)', 170000],
    merge_action: ['merge_action()', 170000],
    json_object: ['json_object(1, 2)', 160000],
    json_array: ['json_array(1)', 160000],
    json_arrayagg: ['json_arrayagg(1)', 160000],
  };
  for (const [name, [call, since]] of Object.entries(calls)) {
    const f = plpgsql(`public.${name}`, 'BEGIN RETURN (SELECT email FROM shop.customers); END');
    const world = withFunctions(f).catalog;
    const older = await statement(`SELECT ${call}`, { catalog: { ...world, serverVersion: since - 1 } });
    assert.ok(hazardsOf(older).includes('function-reads hidden-here'), name);
    const newer = await statement(`SELECT ${call}`, { catalog: { ...world, serverVersion: since } });
    assert.deepEqual(
      hazardsOf(newer).filter((hazard) => !hazard.startsWith('unknown-function')),
      [],
      name,
    );
  }
});

test('values are followed through a body: what is given to it may go into what it writes', async () => {
  const parameters = [{ mode: 'in', name: 'a', type: 25 }] as const;
  const writesOf = async (source: string, sql: string) => {
    const world = withFunctions(plpgsql('shop.f', source, { parameters }));
    const temporary = relation('pg_temp_3.mine', 'email');
    const found = await statement(sql, {
      ...world,
      followValues: true,
      session: {
        ...session,
        temporary: [temporary],
        temporarySchema: 'pg_temp_3',
        searchPath: ['pg_temp_3', ...session.searchPath],
      },
    });
    return (found.writes ?? []).flatMap((write) => write.columns);
  };
  const given = await writesOf(
    'DECLARE v text := a; BEGIN INSERT INTO shop.customers (email) VALUES (v); END',
    "SELECT shop.f('x'), shop.f(name) FROM shop.customers",
  );
  assert.deepEqual(
    given[0]?.constants.map(({ value }) => value),
    ['x'],
  );
  assert.deepEqual([...(given[0]?.sources.keys() ?? [])], [customers.oid]);
  assert.equal(given[0]?.unfollowed, false);
  const kept = await writesOf(
    'DECLARE v text; BEGIN SELECT email INTO v FROM mine; INSERT INTO shop.customers (email) VALUES (v); END',
    "SELECT shop.f('x')",
  );
  assert.equal(kept[0]?.unfollowed, true, 'a variable may hold what a temporary relation held');
});
