import type { StatementExplanation } from '../controlplane/contract/index.ts';
import { lineDiff } from './diff.ts';
import { printable } from './terminal.ts';

type Statement = StatementExplanation['statements'][number];
type Question = Statement['questions'][number];

const EFFECTS = { allow: 'allowed', hold: 'waits for consent', refuse: 'refused' } as const;

/** An explained statement as plain text: the parse, what the target would get, every rule that spoke, what is masked and why. */
export function statementText(explained: StatementExplanation): string {
  const { refusal, changed, text, forwarded, statements } = explained;
  const blocks: string[] = [];
  if (refusal) {
    blocks.push(
      [`refused before any policy is asked: ${refusal.message}`, refusal.detail, refusal.hint]
        .filter((line) => line !== undefined)
        .join('\n  '),
    );
  }
  for (const statement of statements) {
    blocks.push(parseText(statement));
    if (refusal === undefined) blocks.push(decisionText(statement));
    const columns = columnsText(statement);
    if (columns !== '') blocks.push(columns);
    if (statement.questions.length > 0) blocks.push(questionsText(statement.questions));
  }
  if (changed) blocks.push(['the target gets', ...lineDiff(text, forwarded).map((line) => `  ${line}`)].join('\n'));
  else if (refusal === undefined) blocks.push('the target gets the statement as it is');
  return `${printable(blocks.join('\n\n'))}\n\npolicies ${explained.policies}`;
}

function parseText(statement: Statement): string {
  const { verb, effect, hasWhere, allRows, object, privileges, reads, writes, functions, settings } = statement;
  const rows = allRows ? 'touches all rows' : hasWhere ? '' : 'no WHERE';
  const what = [verb, object, privileges ? 'changes privileges' : '', effect, rows].filter(Boolean).join(', ');
  return [
    `statement: ${what}`,
    ...reads.map(({ relation, columns, conditions }) => {
      const decisive = conditions.length > 0 ? `; decided by ${conditions.join(', ')}` : '';
      return `  reads ${relation}: ${columns.join(', ') || 'no column'}${decisive}`;
    }),
    ...writes.map((relation) => `  writes ${relation}`),
    ...(functions.length > 0 ? [`  calls ${functions.join(', ')}`] : []),
    ...(settings.length > 0 ? [`  sets ${settings.join(', ')}`] : []),
  ].join('\n');
}

function decisionText({ decision }: Statement): string {
  const { effect, policies, reason, approvers = [], quorum = 1, rows } = decision;
  const by = policies.length > 0 ? ` (${policies.join(', ')})` : '';
  if (effect === 'refuse') return `decision: refused: ${reason}${by}`;
  if (effect === 'hold') {
    const people = quorum === 1 ? 'one person' : `${quorum} people`;
    return `decision: waits for consent of ${people} from ${approvers.join(', ')}: ${reason}${by}`;
  }
  if (rows === undefined) return `decision: allowed${by}`;
  const then = rows.beyond === 'hold' ? 'waits for consent' : 'is refused';
  return `decision: allowed${by}\n  after ${rows.most} rows it ${then}: ${rows.reason} (${rows.policies.join(', ')})`;
}

function columnsText({ columns }: Statement): string {
  if (columns.length === 0) return '';
  const lines = columns.map(({ column, labels, masked, mask, requests, policies, missing, overruled }) => {
    const over = overruled.length === 0 ? [] : [`which overrules ${overruled.map(place).join(', ')}`];
    const why = [...policies.map(place), ...over, ...missing].join('; ');
    const state = masked ? `masked (${mask})` : requests ? `visible by request ${requests.join(', ')}` : 'visible';
    return `  ${column} [${labels.join(', ')}]: ${state}${why === '' ? '' : `, ${why}`}`;
  });
  return ['labelled columns', ...lines].join('\n');
}

function questionsText(questions: readonly Question[]): string {
  return [
    'what policy is asked',
    ...questions.flatMap(({ words, part, effect, policies, missing, candidates, overruled }) => [
      `  ${words}${part === undefined ? '' : ` (by ${part})`}: ${EFFECTS[effect]}`,
      ...policies.map((policy) => `    ${place(policy)}${policy.reason === undefined ? '' : `: ${policy.reason}`}`),
      ...overruled.map((policy) => `    overruled: ${place(policy)}`),
      ...missing.map((line) => `    ${line}`),
      ...candidates.map((policy) => `    did not apply: ${place(policy)}`),
    ]),
  ].join('\n');
}

function place({ effect, id, file, line }: Question['policies'][number]): string {
  return `${effect} ${id} (${file}:${line})`;
}
