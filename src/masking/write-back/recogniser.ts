import type { CatalogColumn } from '../../model/catalog.ts';
import type { MaskKind } from '../../model/mask.ts';
import { redactedText, STARS } from '../mask/constant.ts';
import { generalises } from '../mask/generalise.ts';
import { shapeOf, type ValueShape } from '../mask/kind.ts';
import { keptCharacters } from '../mask/partial.ts';
import { OID, type TextType, textElementOf, textTypeOf } from '../mask/type.ts';
import { arrayElements, sameConstant } from './literals.ts';
import { hasMark } from './marks.ts';

/**
 * How surely a value is what a mask shows. `mark`: a pseudonym that cannot be anything else, in whatever column. `mask`: nobody writes it
 * by himself into this column. `constant`: what the mask shows in every row, or what cannot be told from a pseudonym, and yet a value that
 * somebody might mean.
 */
export type Likeness = 'mark' | 'mask' | 'constant';

/** Does a value, as text, look like what this mask shows of this column? */
export type Recogniser = (value: string) => Likeness | undefined;

/**
 * The recogniser for one column of a principal from whom it is hidden. It knows every value of the mask but those that honest data cannot be
 * told from: NULL, and the beginnings of spans of time and bands of numbers.
 */
export function recogniserOf(column: CatalogColumn, kind: MaskKind, labels: readonly string[]): Recogniser {
  const own = ofKind(column, kind, shapeOf(labels));
  return (value) => (hasMark(value) ? 'mark' : own(value));
}

const NOTHING: Recogniser = () => undefined;

function ofKind(column: CatalogColumn, kind: MaskKind, shape: ValueShape): Recogniser {
  if (kind.kind === 'null') return NOTHING;
  const text = textTypeOf(column);
  if (text) return kind.kind === 'redact' ? stars(text) : ofText(kind, text, shape);
  const element = textElementOf(column);
  if (element && kind.kind !== 'generalise' && kind.kind !== 'redact') return ofElements(ofText(kind, element, shape));
  if (kind.kind === 'generalise' && generalises(column, kind)) return NOTHING;
  if (kind.kind === 'pseudonym') {
    switch (column.baseTypeOid) {
      case OID.int2:
      case OID.int4:
      case OID.int8:
        // The pseudonyms of numbers fill the whole type: there is no room for a mark.
        return (value) => (/^\s*\+?\d+\s*$/.test(value) ? 'constant' : undefined);
      case OID.uuid:
        return (value) => (isVersion8(value) ? 'mask' : constantOf(column)(value));
    }
  }
  return constantOf(column);
}

function constantOf(column: CatalogColumn): Recogniser {
  const constant = redactedText(column);
  if (constant === undefined) return NOTHING;
  const likeness = column.baseTypeOid === OID.uuid ? 'mask' : 'constant';
  return (value) => (sameConstant(column.baseTypeOid, constant, value) ? likeness : undefined);
}

type TextKind = Extract<MaskKind, { kind: 'partial' | 'generalise' | 'pseudonym' }>;

function ofText(kind: TextKind, type: TextType, shape: ValueShape): Recogniser {
  switch (kind.kind) {
    case 'partial':
      return ofPartial(keptCharacters(kind, shape), shape, type);
    case 'generalise':
      return stars(type);
    case 'pseudonym':
      return ofPseudonym(type);
    default:
      return unreachable(kind);
  }
}

/** The stars, cut to the column's length as the cast cuts them. */
function stars({ length = Number.POSITIVE_INFINITY }: TextType): Recogniser {
  const shown = STARS.slice(0, length);
  const likeness = shown === STARS ? 'mask' : 'constant';
  return (value) => (value.trimEnd() === shown ? likeness : undefined);
}

/** Some first characters, the stars, some last characters; of an address its domain, of a card number nothing but last ones. */
function ofPartial(
  { first, last }: { readonly first: number; readonly last: number },
  shape: ValueShape,
  type: TextType,
): Recogniser {
  const cut = stars(type);
  const room = type.length;
  return (written) => {
    const value = written.trimEnd();
    for (let at = value.indexOf(STARS); at >= 0; at = value.indexOf(STARS, at + 1)) {
      const before = characters(value.slice(0, at), first);
      if (before > first) break;
      const rest = value.slice(at + STARS.length);
      if (rest === '' || (shape === 'email' && rest.startsWith('@'))) return 'mask';
      // Of a value so short that not all first characters may stay, none of the last may.
      const most = before === first ? last : shape === 'pan' && before === 0 ? Math.min(4, last) : 0;
      if (characters(rest, most) <= most) return 'mask';
    }
    if (room !== undefined && characters(value, room) === room) {
      const begun = /^(.*?)\*{1,2}$/su.exec(value)?.[1];
      if (begun !== undefined && characters(begun, first) <= first) return 'constant';
    }
    return cut(value);
  };
}

/** How many characters a text has, counted no further than one beyond `most`. */
function characters(text: string, most: number): number {
  let count = 0;
  for (const _ of text) if (++count > most) break;
  return count;
}

/** What long columns and addresses hold is a mark; here are the forms that a short column leaves room for. */
function ofPseudonym(type: TextType): Recogniser {
  const room = type.length;
  const cut = stars(type);
  if (room === undefined || room >= 24) return cut;
  const [form, likeness] =
    room < 10
      ? ([new RegExp(`^[a-p]{${room}}$`), 'constant'] as const)
      : ([new RegExp(`^p_[a-p]{${room - 2}}$`), 'mask'] as const);
  return (value) => (form.test(value) ? likeness : cut(value));
}

/** Version 8 of the RFC's variant. https://www.rfc-editor.org/rfc/rfc9562#section-5.8 */
function isVersion8(value: string): boolean {
  const digits = value.replaceAll(/[-{}\s]/g, '');
  return /^[0-9a-f]{12}8[0-9a-f]{3}8[0-9a-f]{15}$/i.test(digits);
}

function ofElements(each: Recogniser): Recogniser {
  return (value) => {
    const found = arrayElements(value).map(each);
    return found.includes('mask') ? 'mask' : found.includes('constant') ? 'constant' : undefined;
  };
}

function unreachable(value: never): never {
  throw new TypeError(`no recogniser for ${JSON.stringify(value)}`);
}
