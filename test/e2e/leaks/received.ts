import type { Message } from '../../support/clients/raw-client.ts';
import type { Stream } from './decoder.ts';

/** What one case brought the client, sorted by where it stood. */
export interface Received {
  readonly results: readonly Result[];
  readonly errors: readonly string[];
  readonly notices: readonly string[];
  /** Values of parameters, notifications and function calls. */
  readonly others: readonly string[];
  /** What probes found out. */
  readonly found: readonly string[];
  readonly sqlstates: readonly string[];
}

export interface Result {
  readonly names: readonly string[];
  readonly types: readonly string[];
  readonly modifiers: readonly string[];
  readonly rows: readonly (readonly (string | null)[])[];
  readonly copied: string;
  readonly tag: string;
}

interface Column {
  readonly name: string;
  readonly typeOid: number;
  readonly typeModifier: number;
  readonly format: number;
}

export function receive(messages: readonly Message[], found: readonly string[] = []): Received {
  const results: Result[] = [];
  const errors: string[] = [];
  const notices: string[] = [];
  const others: string[] = [];
  const sqlstates: string[] = [];
  let columns: readonly Column[] = [];
  let rows: (string | null)[][] = [];
  let copied = Buffer.alloc(0);
  for (const message of messages) {
    switch (message.kind) {
      case 'row-description':
        columns = message.fields;
        break;
      case 'data-row':
        rows.push(message.values.map((value, at) => (value === null ? null : readable(value, columns[at]))));
        break;
      case 'copy-data':
        copied = Buffer.concat([copied, message.data]);
        break;
      case 'command-complete':
      case 'portal-suspended':
        results.push({
          names: columns.map(({ name }) => name),
          types: columns.map(({ typeOid }) => `${typeOid}`),
          modifiers: columns.map(({ typeModifier }) => `${typeModifier - 4}`),
          rows,
          copied: copied.toString('latin1'),
          tag: message.kind === 'command-complete' ? message.tag : '',
        });
        rows = [];
        copied = Buffer.alloc(0);
        if (message.kind === 'command-complete') columns = [];
        break;
      case 'error-response':
        errors.push(said(message.fields));
        sqlstates.push(message.fields.find(({ code }) => code === 'C')?.value ?? '');
        break;
      case 'notice-response':
        notices.push(said(message.fields));
        break;
      case 'parameter-status':
        others.push(message.value);
        break;
      case 'notification':
        others.push(message.channel, message.payload);
        break;
      case 'function-call-response':
        others.push(message.value?.toString('latin1') ?? '');
        break;
      default:
        break;
    }
  }
  if (rows.length > 0 || copied.length > 0) {
    const names = columns.map(({ name }) => name);
    results.push({ names, types: [], modifiers: [], rows, copied: copied.toString('latin1'), tag: '' });
  }
  return { results, errors, notices, others, found, sqlstates };
}

/** Every way in which what was received may be read. */
export function streamsOf({ results, errors, notices, others, found }: Received): readonly Stream[] {
  const streams: Stream[] = [];
  const add = (where: string, atoms: readonly (string | null)[]): void => {
    const there = atoms.map((atom) => atom ?? '');
    if (there.some((atom) => atom !== '')) streams.push({ where, atoms: there });
  };
  for (const [at, { names, rows, copied }] of results.entries()) {
    add(`names of result ${at}`, names);
    add(
      `rows of result ${at}`,
      rows.map((row) => row.join('\t')),
    );
    const width = Math.max(0, ...rows.map((row) => row.length));
    for (let column = 0; column < width; column++)
      add(
        `column ${column} of result ${at}`,
        rows.map((row) => row[column] ?? null),
      );
    add(`copy ${at}`, copied.split('\n'));
  }
  add(
    'all cells',
    results.flatMap(({ rows }) => rows.flat()),
  );
  add(
    'row counts',
    results.map(({ rows }) => String.fromCharCode(rows.length & 0xff)),
  );
  add(
    'tags',
    results.map(({ tag }) => tag),
  );
  add(
    'types',
    results.flatMap(({ types }) => types),
  );
  add(
    'type modifiers',
    results.flatMap(({ modifiers }) => modifiers),
  );
  add('errors', errors);
  add('notices', notices);
  add('other messages', others);
  add('probes', found);
  return streams;
}

/** All texts of an error or notice but where it stands in the server's source. */
function said(fields: readonly { readonly code: string; readonly value: string }[]): string {
  return fields
    .filter(({ code }) => !'SVFLR'.includes(code))
    .map(({ value }) => value)
    .join('\n');
}

/** Text, or what a binary value of a common type means. https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat */
function readable(value: Buffer, column: Column | undefined): string {
  if (column?.format !== 1) return value.toString('utf8');
  switch (column.typeOid) {
    case 21:
      return `${value.readInt16BE()}`;
    case 23:
      return `${value.readInt32BE()}`;
    case 20:
      return `${value.readBigInt64BE()}`;
    case 1082:
      return new Date(Date.UTC(2000, 0, 1) + value.readInt32BE() * 86_400_000).toISOString().slice(0, 10);
    default:
      return value.toString('latin1');
  }
}
