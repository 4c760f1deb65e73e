import { type FunctionRule, functionRule, relationRule } from '../../../model/built-in-rules.ts';

/** Arguments of a call: text of a constant, undefined for a number, null for what is not constant. */
type Arguments = readonly (string | undefined | null)[];
/** The queries that a call runs; undefined when they cannot be told. */
type Queries = (args: Arguments) => readonly string[] | undefined;

/** All of them, or undefined when one is not constant. */
function constants(texts: Arguments): readonly string[] | undefined {
  return texts.every((text) => typeof text === 'string') ? texts : undefined;
}

const first: Queries = (args) => constants([args[0]]);
const ofType: Queries = (args) => constants([args[1]])?.map((type) => `SELECT NULL::${type}`);
// crosstab(text, int) is the old form: its second argument is a number.
const crosstab: Queries = ([rows, categories]) => constants(categories === undefined ? [rows] : [rows, categories]);

/** How functions of the table that are `judged` make queries of their arguments; a new one fails to be found by a test. */
const queries: Readonly<Record<string, Queries>> = {
  query_to_xml: first,
  query_to_xmlschema: first,
  query_to_xml_and_xmlschema: first,
  ts_stat: first,
  crosstab2: first,
  crosstab3: first,
  crosstab4: first,
  crosstabn: first,
  crosstab,
  crosstab_hash: crosstab,
  // ts_rewrite(tsquery, tsquery, tsquery) runs nothing.
  ts_rewrite: (args) => (args.length === 3 ? [] : constants([args[1]])),
  // https://www.postgresql.org/docs/current/xml2.html#XML2-XPATH-TABLE gives the query it makes.
  xpath_table: ([key, document, relation, , criteria]) => {
    const parts = constants([key, document, relation, criteria]);
    return parts && [`SELECT ${parts[0]}, ${parts[1]} FROM ${parts[2]} WHERE ${parts[3]}`];
  },
  pg_input_is_valid: ofType,
  pg_input_error_info: ofType,
  table_to_xml: (args) => first(args)?.map((relation) => `TABLE ${relation}`),
  table_to_xmlschema: (args) => first(args)?.map((relation) => `TABLE ${relation}`),
  table_to_xml_and_xmlschema: (args) => first(args)?.map((relation) => `TABLE ${relation}`),
};

/** What a call of this built-in runs; undefined when that cannot be told. */
export function queriesOf(name: string, args: Arguments): readonly string[] | undefined {
  return Object.hasOwn(queries, name) ? queries[name]?.(args) : undefined;
}

/** The rule for a function of pg_catalog or of an extension that does more than compute on its arguments. */
export function builtInRule(name: string, extension?: string): FunctionRule | undefined {
  const rule = functionRule(name, extension);
  return rule?.treatment === 'allowed' ? undefined : rule;
}

/** Columns of system (and extension) views that echo values or statements; `all`: the whole relation. */
export function echoedColumns(relation: string): readonly string[] | 'all' | undefined {
  if (relation.startsWith('pg_toast_')) return 'all';
  return relationRule(relation)?.echoes;
}
