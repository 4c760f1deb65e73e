import { pathToFileURL } from 'node:url';
import { FUNCTION_RULES, type FunctionTreatment, RELATION_RULES } from '../../src/model/built-in-rules.ts';

const TREATMENTS: Readonly<Record<FunctionTreatment, string>> = {
  allowed: 'allowed',
  judged: 'judged by what it runs; refused when that is computed',
  refused: 'refused',
  'refused-and-call': 'refused; asks `call` of everybody',
  call: 'asks `call` of everybody',
  sequence: 'asks `write` on the sequence',
};

const code = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(' ');
const cell = (text: string): string => text.replaceAll('|', '\\|');

/** docs/built-in-rules.md, made of the table that the gateway itself uses. */
export function builtInRulesPage(): string {
  const lines = [
    '# Built-in rules',
    '',
    'Functions and relations that PostgreSQL and common extensions bring along, and that can show more than a statement names. "Refused" means: for',
    'a principal from whom at least one column of the connection is hidden. What is in no row passes, except functions that users wrote: those are',
    'judged by their bodies ([limits](limits.md)). This page is made of the table in `src/model/built-in-rules.ts`; a test keeps both equal.',
    '',
  ];
  const groups = new Set(FUNCTION_RULES.map(({ group }) => group));
  for (const group of groups) {
    lines.push(`## ${group}`, '', '| Functions | Rule | Why: the function … |', '|---|---|---|');
    for (const { names, extension, treatment, why } of FUNCTION_RULES.filter((rule) => rule.group === group)) {
      const which = names.includes('*') ? `every function of \`${extension}\`` : code(names);
      const of = extension === undefined || names.includes('*') ? '' : ` (of \`${extension}\`)`;
      lines.push(`| ${which}${of} | ${TREATMENTS[treatment]} | ${cell(why)} |`);
    }
    lines.push('');
  }
  lines.push(
    '## Relations',
    '',
    'Their echoing columns are NULL where the statement reads them in a place that can be replaced, and the statement is refused elsewhere. Columns in',
    'the third column of this table count as labelled with every label of the connection. Foreign tables are relations like any other: labels, masks and',
    'lineage hold for them.',
    '',
    '| Relation | Columns that echo | Labelled | Why: it … |',
    '|---|---|---|---|',
  );
  for (const { schema, extension, name, echoes, labelled, why } of RELATION_RULES) {
    const place = extension === undefined ? `\`${schema}.${name}\`` : `\`${name}\` (of \`${extension}\`)`;
    const columns = echoes === 'all' ? 'refused whole' : code(echoes);
    lines.push(`| ${place} | ${columns} | ${code(labelled)} | ${cell(why)} |`);
  }
  return `${lines.join('\n')}\n`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.stdout.write(builtInRulesPage());
