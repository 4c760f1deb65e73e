import type { CatalogColumn, CatalogRelation } from '../../model/catalog.ts';
import type { ColumnMask, MaskedRelation, MaskKind } from '../../model/mask.ts';
import { MaskingError } from '../errors.ts';
import { quoteIdentifier } from '../sql-name.ts';
import { redactConstant, STARS } from './constant.ts';
import { generalised } from './generalise.ts';
import { shapeOf, type ValueShape } from './kind.ts';
import { partialText } from './partial.ts';
import { pseudonymOther, pseudonymText } from './pseudonym.ts';
import { OID, type TextType, textElementOf, textTypeOf } from './type.ts';

/**
 * The column masked, as an SQL expression over its bare name.
 *
 * It has the column's base type, type modifier and collation, which is what a client is told of a column; a domain is left behind,
 * because its constraints could refuse the masked value. NULL stays NULL (of a row type also a row of NULLs). It raises an error for
 * no value of the column, and names nothing that search_path could redirect: every function, operator and type outside the grammar
 * carries its schema.
 * @param labels The column's labels, which say whether `partial` and `pseudonym` deal with an e-mail address, card number, IBAN or phone.
 */
export function maskExpression(
  column: CatalogColumn,
  kind: MaskKind,
  _dialect: 'postgres',
  labels: readonly string[] = [],
): string {
  const type = column.baseTypeName;
  const name = quoteIdentifier(column.name);
  const collate = collateClause(column);
  if (kind.kind === 'null') return `(NULL::${type}${collate})`;
  const constant = redactConstant(column);
  const body = masked(column, kind, shapeOf(labels), name, constant);
  return `((CASE WHEN ${name} IS NULL THEN NULL ELSE ${body} END)::${type}${collate})`;
}

/** Said for every text: the expressions inside work under "C", which would show in the order of the client's result. */
function collateClause(column: CatalogColumn): string {
  if (column.collation !== undefined) return ` COLLATE ${column.collation}`;
  if (column.baseTypeOid === OID.name) return ' COLLATE pg_catalog."C"';
  const collatable = (textTypeOf(column) && column.baseTypeOid !== OID.char) || textElementOf(column);
  return collatable ? ' COLLATE pg_catalog."default"' : '';
}

function masked(column: CatalogColumn, kind: MaskKind, shape: ValueShape, name: string, constant: string): string {
  if (kind.kind === 'redact' || kind.kind === 'null') return constant;
  const text = textTypeOf(column);
  if (text) return maskedText(kind, column, text, shape, name);
  const element = textElementOf(column);
  if (element && kind.kind !== 'generalise') {
    const each = maskedText(kind, column, element, shape, 'u.e');
    // One dimension is what comes back of a matrix: its elements in storage order.
    return `ARRAY(SELECT CASE WHEN u.e IS NULL THEN NULL ELSE ${each} END FROM pg_catalog.unnest(${name}) WITH ORDINALITY AS u(e, n) ORDER BY u.n)`;
  }
  switch (kind.kind) {
    case 'partial':
      return constant;
    case 'generalise':
      return generalised(kind, column, name, undefined, constant);
    case 'pseudonym':
      return pseudonymOther(column, name, constant) ?? constant;
    default:
      return unreachable(kind);
  }
}

/** Over one text value, of type text; the caller's cast brings it back to the column's type. */
function maskedText(
  kind: Extract<MaskKind, { kind: 'partial' | 'generalise' | 'pseudonym' }>,
  column: CatalogColumn,
  type: TextType,
  shape: ValueShape,
  source: string,
): string {
  const value = `(${source}::pg_catalog.text COLLATE pg_catalog."C")`;
  const stars = `'${STARS}'::pg_catalog.text`;
  switch (kind.kind) {
    case 'partial':
      return partialText(value, kind, shape);
    case 'generalise':
      return typeof kind.to === 'object' ? stars : generalised(kind, column, source, value, stars);
    case 'pseudonym':
      return pseudonymText(value, type, shape, stars);
    default:
      return unreachable(kind);
  }
}

function unreachable(value: never): never {
  throw new TypeError(`no mask for ${JSON.stringify(value)}`);
}

/**
 * A relation as a principal sees it from whom `hidden` columns are hidden.
 * @throws MaskingError ERR_MASKING_COLUMN_UNKNOWN when the relation has no such column: a hidden column must not be forgotten.
 */
export function maskedRelation(
  relation: CatalogRelation,
  hidden: ReadonlyMap<string, MaskKind>,
  labels: ReadonlyMap<string, readonly string[]>,
): MaskedRelation {
  const columns = new Map(relation.columns.map((column) => [column.name, column]));
  const expressions = new Map<string, string>();
  const masks = new Map<string, ColumnMask>();
  for (const [name, kind] of hidden) {
    const column = columns.get(name);
    if (!column) {
      throw new MaskingError(
        'ERR_MASKING_COLUMN_UNKNOWN',
        `${relation.schema}.${relation.name} has no column ${name}; the labels belong to another state of the catalog`,
      );
    }
    expressions.set(name, maskExpression(column, kind, 'postgres', labels.get(name)));
    masks.set(name, { kind, labels: labels.get(name) ?? [] });
  }
  return { relation, expressions, masks };
}
