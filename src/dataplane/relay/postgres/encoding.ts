import type { Refusal } from '../../../model/refusal.ts';
import type { SqlText } from '../../../wire/postgres/index.ts';
import { refusal } from '../../errors.ts';
import type { Plan } from '../../plan.ts';

/** A statement as it came: its text for the analyser, its bytes for the target. */
export type StatementSource =
  | { readonly text: string; readonly bytes: Buffer; readonly unicode: boolean }
  | { readonly refusal: Refusal };

/**
 * Client encodings in which every byte is one character and bytes below 0x80 are ASCII: quotes and names cannot be misread, whatever the
 * other bytes mean. Multi-byte ones could hide a quote in a character. https://www.postgresql.org/docs/18/multibyte.html
 */
const SINGLE_BYTE: Readonly<Record<string, string>> = {
  LATIN1: 'latin1',
  LATIN2: 'iso-8859-2',
  LATIN3: 'iso-8859-3',
  LATIN4: 'iso-8859-4',
  LATIN6: 'iso-8859-10',
  LATIN7: 'iso-8859-13',
  LATIN8: 'iso-8859-14',
  LATIN9: 'iso-8859-15',
  LATIN10: 'iso-8859-16',
  ISO_8859_5: 'iso-8859-5',
  ISO_8859_6: 'iso-8859-6',
  ISO_8859_7: 'iso-8859-7',
  ISO_8859_8: 'iso-8859-8',
  KOI8R: 'koi8-r',
  KOI8U: 'koi8-u',
  WIN1250: 'windows-1250',
  WIN1251: 'windows-1251',
  WIN1252: 'windows-1252',
  WIN1253: 'windows-1253',
  WIN1255: 'windows-1255',
  WIN1256: 'windows-1256',
  WIN1257: 'windows-1257',
  WIN1258: 'windows-1258',
};

/** @param at where the text begins in the message body; it ends at its NUL */
export function readStatement(sql: SqlText, body: Buffer, at: number, clientEncoding: string): StatementSource {
  const bytes = body.subarray(at, body.indexOf(0, at));
  if (isAscii(bytes)) return { text: sql.text, bytes, unicode: true };
  if (clientEncoding === 'UTF8' || clientEncoding === 'SQL_ASCII') {
    if (sql.wellFormed) return { text: sql.text, bytes, unicode: true };
    return {
      refusal: refusal('statement-opaque', 'invalid byte sequence for encoding "UTF8" in the statement', {
        sqlstate: '22021',
      }),
    };
  }
  const label = SINGLE_BYTE[clientEncoding];
  if (label === undefined) {
    return {
      refusal: refusal(
        'statement-opaque',
        `gatehouse: statements in client encoding ${clientEncoding} are understood only when they are plain ASCII`,
        { sqlstate: '0A000', hint: "Use SET client_encoding TO 'UTF8', or write other characters as U&'\\XXXX'." },
      ),
    };
  }
  return { text: decode(bytes, label), bytes, unicode: false };
}

function decode(bytes: Buffer, label: string): string {
  return label === 'latin1' ? bytes.toString('latin1') : new TextDecoder(label).decode(bytes);
}

/** What is sent for a plan: the client's own bytes where nothing was substituted. */
export function statementBytes(plan: Plan, source: StatementSource): Buffer | Refusal {
  if ('refusal' in source) return source.refusal;
  if (!plan.changed) return source.bytes;
  if (source.unicode) return Buffer.from(plan.forwarded);
  return refusal(
    'statement-unmaskable',
    'gatehouse: a statement that has to be substituted can only be sent in UTF-8',
    {
      sqlstate: '0A000',
      hint: "Use SET client_encoding TO 'UTF8'.",
    },
  );
}

/** Query: https://www.postgresql.org/docs/18/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-QUERY */
export function queryMessage(sql: Buffer): Buffer {
  const message = Buffer.allocUnsafe(sql.length + 6);
  message[0] = 0x51;
  message.writeUInt32BE(sql.length + 5, 1);
  sql.copy(message, 5);
  message[sql.length + 5] = 0;
  return message;
}

/** Parse: https://www.postgresql.org/docs/18/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-PARSE */
export function parseMessage(name: string, sql: Buffer, parameterTypes: readonly number[]): Buffer {
  const nameBytes = Buffer.from(name);
  const length = 4 + nameBytes.length + 1 + sql.length + 1 + 2 + 4 * parameterTypes.length;
  const message = Buffer.allocUnsafe(length + 1);
  message[0] = 0x50;
  let at = message.writeUInt32BE(length, 1);
  at += nameBytes.copy(message, at);
  message[at++] = 0;
  at += sql.copy(message, at);
  message[at++] = 0;
  at = message.writeUInt16BE(parameterTypes.length, at);
  for (const oid of parameterTypes) at = message.writeUInt32BE(oid, at);
  return message;
}

function isAscii(bytes: Buffer): boolean {
  for (let index = 0; index < bytes.length; index++) if ((bytes[index] as number) > 0x7f) return false;
  return true;
}
