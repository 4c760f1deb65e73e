import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dice } from '../../fuzz/dice.ts';

/** A value that may not reach the client in any form. */
export interface Protected {
  /** `customers.email` */
  readonly column: string;
  readonly value: string;
  /** The part by which it is known: letters that stand nowhere else, or digits. */
  readonly core: string;
  readonly kind: 'letters' | 'digits' | 'date';
}

export interface Fixture {
  readonly sql: string;
  readonly values: readonly Protected[];
}

type Row = readonly (string | number | null)[];

const CUSTOMERS = 24;
const COUNTRIES = ['DE', 'FR', 'US', 'BR', 'JP', 'IN'];
const CATEGORIES = ['tea', 'lamp', 'book', 'mug'];

/** The shop's schema and data. Every protected value is one of its kind; nothing depends on which ones they are. */
export async function makeFixture(seed = 90_210): Promise<Fixture> {
  const invent = new Inventor(seed);
  const [before = '', after = ''] = (await readFile(join(import.meta.dirname, 'schema.sql'), 'utf8')).split('--DATA--');
  const data = [customers(invent), harmless(), payments(invent), employees(invent), contacts(invent), streets(invent)];
  return { sql: [before, ...data, events(), after].join('\n'), values: invent.values };
}

class Inventor {
  readonly values: Protected[] = [];
  readonly #below: (count: number) => number;
  readonly #used = new Set<string>();

  constructor(seed: number) {
    this.#below = dice(seed);
  }

  /** Letters in an order that no word of a language has. */
  letters(length: number): string {
    return this.#once(() => this.#from('qxzvwkjbpghmcdt', 'iouyeahrlns', length));
  }

  digits(length: number, first = ''): string {
    return this.#once(() => first + this.#from('0123456789', '0123456789', length - first.length), 5);
  }

  between(low: number, high: number): number {
    return low + this.#below(high - low + 1);
  }

  /** Keeps the value as protected and gives it back. */
  keep(column: string, kind: Protected['kind'], value: string, core = value): string {
    this.values.push({ column, kind, value, core });
    return value;
  }

  #from(odd: string, even: string, length: number): string {
    const letter = (alphabet: string): string => alphabet[this.#below(alphabet.length)] ?? '';
    return Array.from({ length }, (_, at) => letter(at % 2 === 0 ? odd : even)).join('');
  }

  #once(make: () => string, unlike = 4): string {
    for (;;) {
      const made = make();
      if (this.#used.has(made) || new Set(made).size < Math.min(unlike, made.length)) continue;
      this.#used.add(made);
      return made;
    }
  }
}

function customers(invent: Inventor): string {
  const rows: Row[] = [];
  for (let id = 1; id <= CUSTOMERS; id++) {
    const column = (name: string): string => `customers.${name}`;
    const local = `${invent.letters(5)}.${invent.letters(7)}`;
    const email = invent.keep(column('email'), 'letters', `${local}.${four(id)}@canary.example`, local);
    const name = `${capital(invent.letters(8))} ${capital(invent.letters(8))}`;
    invent.keep(column('full_name'), 'letters', name);
    const number = invent.digits(10);
    const phone = `+999-${number.slice(0, 4)}-${number.slice(4)}`;
    invent.keep(column('phone'), 'digits', phone, number);
    const social = invent.digits(9, '9');
    const ssn = `${social.slice(0, 3)}-${social.slice(3, 5)}-${social.slice(5)}`;
    invent.keep(column('ssn'), 'digits', ssn, social);
    const card = withLuhn(`400000${invent.digits(9)}`);
    invent.keep(column('card_number'), 'digits', card, card.slice(6));
    // Neither January nor a first day: a year alone is what somebody masked may see.
    const born = `${invent.between(1931, 1948)}-${two(invent.between(2, 12))}-${two(3 + id)}`;
    invent.keep(column('birth_date'), 'date', born);
    const notes = [7, 7, 7, 7].map((length) => invent.letters(length)).join(' ');
    invent.keep(column('notes'), 'letters', notes);
    const [theme, alternative, one, other] = [10, 12, 9, 9].map((length) => invent.letters(length));
    for (const value of [theme, alternative, one, other]) invent.keep(column('prefs'), 'letters', value ?? '');
    const contact = { alt_email: `${alternative}.${id}@canary.example`, ok: true };
    const prefs = JSON.stringify({ theme, contact, tags: [one, other], n: id });
    const created = `2024-${two(1 + (id % 12))}-${two(1 + (id % 27))} 10:${two(id)}:00`;
    rows.push([id, name, email, phone, ssn, card, born, notes, prefs, COUNTRIES[id % 6] ?? '', created]);
  }
  const names = 'id, full_name, email, phone, ssn, card_number, birth_date, notes, prefs, country, created_at';
  return insert('shop.customers', names, rows);
}

function payments(invent: Inventor): string {
  const rows: Row[] = [];
  for (let id = 1; id <= 60; id++) {
    const digits = invent.digits(14);
    const iban = invent.keep('payments.iban', 'digits', `ZZ77${invent.letters(4).toUpperCase()}${digits}`, digits);
    rows.push([
      id,
      ((id * 7) % 2500) + 1,
      iban,
      four((id * 13) % 10_000),
      `${(id * 3) % 500}.${two(id % 100)}`,
      `2025-${two(1 + (id % 12))}-${two(1 + (id % 27))} 09:00:00`,
    ]);
  }
  return insert('shop.payments', 'id, order_id, iban, card_last4, amount, paid_at', rows);
}

function employees(invent: Inventor): string {
  const rows: Row[] = [];
  for (let id = 1; id <= 12; id++) {
    const keep = (column: string, value: string): string => invent.keep(`employees.${column}`, 'letters', value);
    const salary = invent.digits(9, `${invent.between(2, 9)}`);
    invent.keep('employees.salary', 'digits', `${salary.slice(0, 7)}.${salary.slice(7)}`, salary);
    rows.push([
      id,
      keep('emp_code', invent.letters(10).toUpperCase()),
      keep('full_name', `${capital(invent.letters(7))} ${capital(invent.letters(7))}`),
      keep('title', invent.letters(11)),
      `${salary.slice(0, 7)}.${salary.slice(7)}`,
      keep('review', [8, 8, 8].map((length) => invent.letters(length)).join(' ')),
      Math.max(1, Math.floor(id / 2)),
    ]);
  }
  return insert('shop.employees', 'id, emp_code, full_name, title, salary, review, manager_id', rows);
}

function contacts(invent: Inventor): string {
  const rows: Row[] = [];
  for (let id = 1; id <= 10; id++) {
    const emails = [1, 2].map(() => {
      const local = invent.letters(12);
      return invent.keep('customer_contacts.emails', 'letters', `${local}@canary.example`, local);
    });
    const digits = invent.digits(10);
    const phone = invent.keep('customer_contacts.phones', 'digits', `+999${digits}`, digits);
    rows.push([id, `{${emails.join(',')}}`, `{${phone}}`]);
  }
  return insert('shop.customer_contacts', 'customer_id, emails, phones', rows);
}

function streets(invent: Inventor): string {
  const rows: Row[] = [];
  for (let id = 1; id <= 8; id++) {
    const local = invent.letters(13);
    const email = invent.keep('"Kunden Straße"."E-Mail Adresse"', 'letters', `${local}@canary.example`, local);
    const select = invent.keep('"Kunden Straße"."select"', 'letters', invent.letters(12));
    rows.push([id, email, select, ['Köln', 'Graz', 'Brno'][id % 3] ?? '']);
  }
  return insert('shop."Kunden Straße"', '"Kunden-Nr", "E-Mail Adresse", "select", "Ort"', rows);
}

/** What anybody may see. */
function harmless(): string {
  const products: Row[] = [];
  for (let id = 1; id <= 120; id++) {
    const category = CATEGORIES[id % 4] ?? '';
    products.push([
      id,
      `${category} model ${id}`,
      category,
      `${3 + ((id * 7) % 90)}.${two(id % 100)}`,
      JSON.stringify({ size: 'SML'[id % 3], w: id }),
      `A plain ${category} for the shop, number ${id}.`,
    ]);
  }
  const orders: Row[] = [];
  for (let id = 1; id <= 2500; id++) {
    orders.push([
      id,
      (id % CUSTOMERS) + 1,
      (id % 120) + 1,
      ['new', 'paid', 'sent', 'back'][id % 4] ?? '',
      1 + (id % 5),
      `${5 + ((id * 11) % 400)}.${two(id % 100)}`,
      `2025-${two(1 + (id % 12))}-${two(1 + (id % 28))} ${two(id % 24)}:00:00`,
      ['{gift}', '{fast,gift}', '{}', '{bulk}'][id % 4] ?? '',
      id % 3 === 0 ? `slot ${id % 9}` : null,
    ]);
  }
  return [
    insert('shop.products', 'id, name, category, price, attrs, description', products),
    insert('shop.orders', 'id, customer_id, product_id, status, qty, total, placed_at, tags, ship_note', orders),
  ].join('\n');
}

function events(): string {
  return `INSERT INTO shop.event_log
SELECT n, n % ${CUSTOMERS} + 1, (ARRAY['open', 'click', 'buy'])[1 + n % 3],
       (SELECT email FROM shop.customers WHERE id = n % ${CUSTOMERS} + 1), jsonb_build_object('ip', '10.0.0.' || n % 250, 'ref', n),
       make_timestamptz(2024 + n % 2, 1 + n % 12, 1 + n % 28, 12, 0, 0, 'UTC')
  FROM generate_series(1, 120) n;`;
}

function insert(table: string, columns: string, rows: readonly Row[]): string {
  const value = (each: string | number | null): string =>
    each === null ? 'NULL' : typeof each === 'number' ? `${each}` : `'${each.replaceAll("'", "''")}'`;
  return `INSERT INTO ${table} (${columns}) VALUES\n${rows.map((row) => `(${row.map(value).join(', ')})`).join(',\n')};`;
}

function withLuhn(digits: string): string {
  const sum = [...digits].reverse().reduce((total, digit, at) => {
    const weighted = Number(digit) * (at % 2 === 0 ? 2 : 1);
    return total + (weighted > 9 ? weighted - 9 : weighted);
  }, 0);
  return `${digits}${(10 - (sum % 10)) % 10}`;
}

const two = (value: number): string => `${value}`.padStart(2, '0');
const four = (value: number): string => `${value}`.padStart(4, '0');
const capital = (value: string): string => value.charAt(0).toUpperCase() + value.slice(1);
