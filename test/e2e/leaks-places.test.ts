/** Every place of a relation with every kind of hidden column: shown to leak on the server, then sent through the gateway. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import test, { after, before } from 'node:test';
import { frontend } from '../../src/wire/postgres/index.ts';
import { type Message, RawClient } from '../support/clients/raw-client.ts';
import { assertMasked, type House, openHouse, SECRET } from '../support/gateway-house.ts';
import { ANSWERED, CLOSED, HIDDEN, type Place } from './leaks-places.ts';

let house: House;
let direct: RawClient;
let masked: RawClient;
before(async () => {
  house = await openHouse({
    // The raw client sends its password as it stands, so a role of its own may log in like that.
    prepare: async (server) => {
      const admin = await server.admin();
      const { rows } = await admin.query<{ hba_file: string }>('SHOW hba_file');
      const file = rows[0]?.hba_file ?? '';
      await writeFile(file, `host all straight 127.0.0.1/32 password\n${await readFile(file, 'utf8')}`);
      await admin.query("CREATE ROLE straight SUPERUSER LOGIN PASSWORD 'straight'");
      await admin.query('SELECT pg_reload_conf()');
      await admin.end();
    },
  });
  direct = await RawClient.connect({ ...house.direct, user: 'straight', password: 'straight' });
  masked = await RawClient.connect(await house.through('ana', 'analysts'));
});
after(async () => {
  direct?.close();
  masked?.close();
  await house[Symbol.asyncDispose]();
});

function text(message: Message): string {
  switch (message.kind) {
    case 'data-row':
      return message.values.map((value) => value?.toString('utf8')).join('\t');
    case 'error-response':
    case 'notice-response':
      return message.fields.map(({ value }) => value).join('\t');
    default:
      return JSON.stringify(message, (_, value) =>
        value?.type === 'Buffer' ? Buffer.from(value.data).toString('utf8') : value,
      );
  }
}

/** All that comes back, in a transaction that is rolled back. */
async function answer(client: RawClient, statements: readonly string[]): Promise<{ said: string; errors: string }> {
  const messages: Message[] = [];
  for (const sql of ['BEGIN', ...statements, 'ROLLBACK']) messages.push(...(await client.ask(frontend.query(sql))));
  const errors = messages.filter(({ kind }) => kind === 'error-response').map(text);
  return { said: messages.map(text).join('\n'), errors: errors.join('\n') };
}

for (const [places, answered] of [
  [ANSWERED, true],
  [CLOSED, false],
] as const) {
  for (const { name, statements } of places satisfies readonly Place[]) {
    for (const [relation, column] of HIDDEN) {
      test(`${column} of ${relation} does not leave through ${name}`, async () => {
        const sql = statements.map((one) => one.replaceAll('{t}', relation).replaceAll('{c}', column));
        assert.match((await answer(direct, sql)).said, SECRET, 'the server itself shows it');
        const through = await answer(masked, sql);
        assertMasked(through.said);
        if (answered) assert.equal(through.errors, '');
      });
    }
  }
}

for (const { name, statements } of ANSWERED.filter((place) => place.statements.length === 1)) {
  for (const [relation, column] of HIDDEN) {
    test(`${column} of ${relation} does not leave through ${name} in a statement prepared once and executed twice`, async () => {
      const sql = (statements[0] ?? '').replaceAll('{t}', relation).replaceAll('{c}', column);
      const once = [frontend.bind({ portal: '', statement: 'p' }), frontend.execute('')];
      const twice = [frontend.parse('p', sql), ...once, ...once, frontend.close('statement', 'p'), frontend.sync()];
      const shown = async (client: RawClient): Promise<string> => (await client.ask(...twice)).map(text).join('\n');
      assert.match(await shown(direct), SECRET, 'the server itself shows it');
      const through = await shown(masked);
      assertMasked(through);
      assert.doesNotMatch(through, /ERROR/);
    });
  }
}
