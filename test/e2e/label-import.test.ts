/** Labels written beside the data come into a label file, and what carries none is listed. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { labelFileText } from '../../src/config/index.ts';
import { type House, openHouse } from '../support/gateway-house.ts';

let house: House;

before(async () => {
  house = await openHouse({
    labels: 'shop: {}\n',
    prepare: async (server) => {
      const admin = await server.admin();
      await admin.query(`COMMENT ON COLUMN shop.customers.email IS 'Where to write to. @label pii.contact.email';
        COMMENT ON COLUMN shop."Kunden Straße"."E-Mail Adresse" IS '@label pii.contact.email, pii.quasi';
        COMMENT ON TABLE shop.employees IS '@label confidential';
        COMMENT ON COLUMN shop.customers.phone IS '@label Phone!';
        CREATE VIEW pg_temp.v AS SELECT 1`);
      await admin.end();
    },
  });
});
after(() => house[Symbol.asyncDispose]());

test('comments of the target become a label file that hides what they say', async () => {
  const path = '/v1/connections/shop/labels/written';
  assert.equal((await house.control('ana', 'analysts', 'GET', path)).status, 403);
  const { status, body } = await house.control('eve', 'engineers', 'GET', path);
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual(
    body.found.map((one: { relation: string; column?: string; labels: string[]; source: string }) => [
      one.relation,
      one.column,
      one.labels.join(),
      one.source,
    ]),
    [
      ['Kunden Straße', 'E-Mail Adresse', 'pii.contact.email,pii.quasi', 'comment'],
      ['customers', 'email', 'pii.contact.email', 'comment'],
      ['employees', undefined, 'confidential', 'comment'],
    ],
  );
  assert.deepEqual(body.problems, ['shop.customers.phone: "Phone!" in its comment is no label']);

  const client = await house.connect(await house.through('ana', 'analysts'));
  const shown = async () =>
    JSON.stringify((await client.query('SELECT email FROM shop.customers ORDER BY id LIMIT 1')).rows);
  assert.match(await shown(), /Person1@secret1/);
  assert.deepEqual(await house.change({ labels: labelFileText('shop', body.found, 'Imported') }), []);
  assert.doesNotMatch(await shown(), /secret1/);

  const view = await house.control('ana', 'analysts', 'GET', '/v1/connections/shop/labels');
  assert.ok(view.body.unlabelled.includes('shop.customers.city'));
  assert.ok(!view.body.unlabelled.includes('shop.customers.email'));
  assert.ok(!view.body.unlabelled.some((name: string) => name.startsWith('pg_catalog.')));
});
