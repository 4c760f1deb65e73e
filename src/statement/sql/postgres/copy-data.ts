import type { CatalogRelation } from '../../../model/catalog.ts';
import type { CopyData } from '../../../model/statement.ts';
import { as, flag, list, part, type Tree, text, words } from './tree.ts';

/** How the data of a COPY … FROM STDIN is written, from the options of its tree; the server refuses values that make no sense. */
export function copyDataOf(body: Tree, relation: CatalogRelation | undefined): CopyData {
  const options = new Map<string, string>();
  for (const item of list(body, 'options')) {
    const option = as(item, 'DefElem');
    options.set(text(option, 'defname') ?? '', optionText(part(option, 'arg')));
  }
  const written = options.get('format');
  const format = written === 'csv' || written === 'binary' ? written : 'text';
  const quote = options.get('quote') ?? '"';
  const header = options.get('header');
  const encoding = options.get('encoding');
  const listed = words(list(body, 'attlist'));
  const columns = listed.length > 0 ? listed : copiedColumns(relation);
  return {
    format,
    delimiter: options.get('delimiter') ?? (format === 'csv' ? ',' : '\t'),
    quote,
    escape: options.get('escape') ?? quote,
    header: header !== undefined && !['false', 'off', '0'].includes(header.toLowerCase()),
    nullText: options.get('null') ?? (format === 'csv' ? '' : '\\N'),
    ...(encoding === undefined ? {} : { encoding }),
    columns,
  };
}

/** COPY without a list takes every column but the generated ones. */
function copiedColumns(relation: CatalogRelation | undefined): readonly string[] {
  return (relation?.columns ?? []).filter((column) => !column.generated).map((column) => column.name);
}

/** An option's value as text; one without a value is switched on. */
function optionText(argument: unknown): string {
  const string = as(argument, 'String');
  if (string) return text(string, 'sval') ?? '';
  const boolean = as(argument, 'Boolean');
  if (boolean) return flag(boolean, 'boolval') ? 'true' : 'false';
  const integer = as(argument, 'Integer');
  if (integer) return String(part(integer, 'ival') ?? 0);
  return 'true';
}
