import type { Refusal } from '../../../model/refusal.ts';
import type { SqlText } from '../../../wire/postgres/index.ts';
import { refusal } from '../../errors.ts';

/**
 * Statement text as the analyser needs it. The parser reads UTF-8; in other client encodings a text is understood when it is plain ASCII
 * (every PostgreSQL client encoding agrees on that), otherwise refused: reading it wrongly could hide a name.
 * https://www.postgresql.org/docs/18/multibyte.html
 */
export function statementText(sql: SqlText, clientEncoding: string): string | Refusal {
  if (!sql.wellFormed) {
    return refusal('statement-opaque', 'invalid byte sequence for encoding "UTF8" in the statement', {
      sqlstate: '22021',
    });
  }
  if (clientEncoding === 'UTF8' || clientEncoding === 'SQL_ASCII' || isAscii(sql.text)) return sql.text;
  return refusal(
    'statement-opaque',
    `gatehouse: statements in client encoding ${clientEncoding} are understood only when they are plain ASCII`,
    {
      sqlstate: '0A000',
      hint: "Use SET client_encoding TO 'UTF8', or write other characters as U&'\\XXXX'.",
    },
  );
}

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 0x7f) return false;
  return true;
}
