import type { MaskKind } from '../../model/mask.ts';
import { STARS } from './constant.ts';
import type { ValueShape } from './kind.ts';

/** How much stays when the rule does not say: PAN and IBAN 4 last, phone 2 last, e-mail its domain, anything else its first character. */
const DEFAULTS: Readonly<Record<ValueShape, { readonly first: number; readonly last: number }>> = {
  email: { first: 1, last: 0 },
  pan: { first: 0, last: 4 },
  iban: { first: 0, last: 4 },
  phone: { first: 0, last: 2 },
  other: { first: 1, last: 0 },
};

/** 13 to 19 digits, grouped or not, that end in four digits: ISO/IEC 7812-1. */
const PAN = '^([0-9][ -]?){9,15}[0-9]{4}$';
const EMAIL = '^[^@[:space:]]+@[^@[:space:]]{1,255}$';

const count = (value: number | undefined): number =>
  value === undefined || !Number.isFinite(value) ? 0 : Math.min(1_000_000, Math.max(0, Math.floor(value)));

type Partial = Extract<MaskKind, { kind: 'partial' }>;

/** How many characters stay at most, before the quarter is reckoned. Of an address, the domain stays besides. */
export function keptCharacters(kind: Partial, shape: ValueShape): { readonly first: number; readonly last: number } {
  const silent = kind.keepFirst === undefined && kind.keepLast === undefined;
  if (silent) return DEFAULTS[shape];
  if (shape === 'email' && kind.keepFirst === undefined) return DEFAULTS.email;
  return { first: count(kind.keepFirst), last: shape === 'email' ? 0 : count(kind.keepLast) };
}

/**
 * Text of which a part stays, over `value`: an SQL expression of type text with the collation "C" (regular expressions and
 * searches raise errors under nondeterministic collations). At most a quarter of the characters stays, whatever the rule asks for,
 * with two exceptions that the labels ask for: the domain of an e-mail address and the last four digits of a card number. The
 * number of stars says nothing about the length.
 */
export function partialText(value: string, kind: Partial, shape: ValueShape): string {
  const { first, last } = keptCharacters(kind, shape);
  if (shape === 'email') return partialEmail(value, first);
  const quarter = `(pg_catalog.length(${value}) OPERATOR(pg_catalog./) 4)`;
  const general = keep(value, first, last, quarter);
  if (shape !== 'pan' || last === 0) return general;
  return `CASE WHEN (${value}) OPERATOR(pg_catalog.~) '${PAN}' THEN '${STARS}' OPERATOR(pg_catalog.||) pg_catalog.right(${value}, ${Math.min(4, last)}) ELSE ${general} END`;
}

function keep(value: string, first: number, last: number, quarter: string): string {
  const parts: string[] = [];
  if (first > 0) parts.push(`pg_catalog.left(${value}, LEAST(${first}, ${quarter}))`);
  parts.push(`'${STARS}'::pg_catalog.text`);
  if (last > 0) {
    const rest = first > 0 ? `GREATEST(0, ${quarter} OPERATOR(pg_catalog.-) ${first})` : quarter;
    parts.push(`pg_catalog.right(${value}, LEAST(${last}, ${rest}))`);
  }
  return parts.map((part) => `(${part})`).join(' OPERATOR(pg_catalog.||) ');
}

/** `a***@example.org`: at most a quarter of the local part stays. What is no e-mail address is not shown at all. */
function partialEmail(value: string, first: number): string {
  const at = `pg_catalog.strpos(${value}, '@')`;
  const local = `((${at} OPERATOR(pg_catalog.-) 1) OPERATOR(pg_catalog./) 4)`;
  const begin = first > 0 ? `pg_catalog.left(${value}, LEAST(${first}, ${local})) OPERATOR(pg_catalog.||) ` : '';
  return `CASE WHEN (${value}) OPERATOR(pg_catalog.~) '${EMAIL}' THEN ${begin}'${STARS}'::pg_catalog.text OPERATOR(pg_catalog.||) pg_catalog.substr(${value}, ${at}) ELSE '${STARS}' END`;
}
