import assert from 'node:assert/strict';
import test from 'node:test';
import { labelByName, Taxonomy } from '../../../src/masking/index.ts';
import type { CatalogColumn } from '../../../src/model/catalog.ts';

function column(name: string, category = 'S', baseTypeOid = 25): CatalogColumn {
  return {
    attnum: 1,
    name,
    typeOid: baseTypeOid,
    typmod: -1,
    typeName: 'text',
    baseTypeOid,
    baseTypeName: 'text',
    category,
    notNull: false,
    generated: false,
  };
}

test('names in many languages and spellings speak for a label that the taxonomy knows', () => {
  const taxonomy = new Taxonomy();
  for (const [name, label] of [
    ['email', 'pii.contact.email'],
    ['customer_email', 'pii.contact.email'],
    ['E-Mail Adresse', 'pii.contact.email'],
    ['correo_electronico', 'pii.contact.email'],
    ['phoneNumber', 'pii.contact.phone'],
    ['Straße', 'pii.contact.address'],
    ['first_name', 'pii.name'],
    ['prénom', 'pii.name'],
    ['Nazwisko', 'pii.name'],
    ['fødselsnummer', 'pii.gov-id'],
    ['ssn', 'pii.gov-id'],
    ['client_ip', 'pii.online'],
    ['Latitude', 'pii.location'],
    ['code_postal', 'pii.quasi'],
    ['card_number', 'pci.pan'],
    ['cvv', 'pci.sad'],
    ['iban', 'fin.iban'],
    ['Gehalt', 'fin.salary'],
    ['password_hash', 'sec.password-hash'],
    ['mot_de_passe', 'sec.secret'],
    ['api_key', 'sec.token'],
    ['private_key', 'sec.key'],
    ['diagnosis', 'pii.special.health'],
  ] as const) {
    assert.equal(labelByName(column(name))?.label, label, name);
    assert.ok(taxonomy.find(label), label);
  }
  assert.equal(labelByName(column('date_of_birth', 'D', 1082))?.label, 'pii.birth');
  assert.equal(labelByName(column('Geburts-Datum', 'D', 1082))?.label, 'pii.birth');
  assert.equal(labelByName(column('fecha_nacimiento', 'D', 1082))?.label, 'pii.birth');
  assert.equal(labelByName(column('salary', 'N', 1700))?.label, 'fin.salary');
  assert.equal(labelByName(column('addr', 'I', 869)), undefined);
  assert.equal(labelByName(column('client_ip', 'I', 869))?.label, 'pii.online');
});

test('names that only say something about such a value, or stand on another type, speak for nothing', () => {
  for (const name of [
    'email_verified',
    'phone_type',
    'password_changed_at',
    'is_email_valid',
    'email_template',
    'name',
    'id',
    'order_no',
    'description',
    'panel',
    'shipping',
    '',
    '日本語',
  ])
    assert.equal(labelByName(column(name)), undefined, name);
  assert.equal(labelByName(column('email', 'B', 16)), undefined, 'a boolean');
  assert.equal(labelByName(column('birth', 'N', 23)), undefined, 'a number is no date');
  assert.equal(labelByName(column('email', 'N', 20)), undefined, 'a number is no address');
});
