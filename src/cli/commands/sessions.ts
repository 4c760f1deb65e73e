import { type Command, Option } from 'commander';
import {
  paths,
  type Session,
  type Statement,
  session,
  sessionList,
  statementList,
} from '../../controlplane/contract/index.ts';
import { type Call, doing, duration, wholeNumber } from '../call.ts';
import { facts, moment, shortened, table } from '../terminal.ts';

interface ListOptions {
  readonly person?: string;
  readonly connection?: string;
  readonly label?: string;
  readonly decision?: string;
  readonly since?: string;
  readonly until?: string;
  readonly live?: boolean;
  readonly limit: number;
}

export function registerSessions(program: Command): void {
  const sessions = program.command('sessions').description('who did what: sessions and their statements');
  sessions
    .command('list')
    .description('sessions, the latest first')
    .addOption(new Option('--person <id or name>', 'only this person, service or agent'))
    .addOption(new Option('--connection <name>', 'only this connection'))
    .addOption(
      new Option('--label <label>', 'only sessions that touched this data category (pii finds pii.contact.email)'),
    )
    .addOption(
      new Option('--decision <word>', 'only sessions with such a decision').choices(['forward', 'hold', 'refuse']),
    )
    .addOption(new Option('--since <time>', 'begun after: 2026-11-22, a full timestamp, or 2h, 7d'))
    .addOption(new Option('--until <time>', 'begun before'))
    .addOption(new Option('--live', 'only those still open'))
    .addOption(new Option('--limit <n>', 'at most this many').argParser(wholeNumber('--limit')).default(50))
    .action(doing(list));
  sessions.command('show').description('one session with its statements').argument('<id>').action(doing(show));
}

async function list(call: Call<ListOptions>): Promise<void> {
  const { since, until, ...filters } = call.options;
  const api = call.api();
  const items: Session[] = [];
  let after: string | undefined;
  do {
    const page = await api.get(sessionList, paths.sessions(), {
      person: filters.person,
      connection: filters.connection,
      label: filters.label,
      decision: filters.decision,
      live: filters.live,
      since: instant(since),
      until: instant(until),
      limit: Math.min(200, filters.limit - items.length),
      after,
    });
    items.push(...page.items);
    after = page.next;
  } while (after !== undefined && items.length < filters.limit);
  call.terminal.result({ items }, () =>
    items.length === 0
      ? 'no session fits'
      : table(
          [
            'SESSION',
            'STARTED (UTC)',
            'WHO',
            'CONNECTION',
            'CLIENT',
            'STATE',
            'STATEMENTS',
            'ROWS',
            'REFUSED',
            'HELD',
            'LABELS',
          ],
          items.map((each) => [
            each.id,
            moment(each.startedAt),
            shortened(each.principal?.name ?? '(erased)', 30),
            each.connection,
            shortened(each.client, 16),
            each.state,
            String(each.statements),
            String(each.rows),
            String(each.refused),
            String(each.held),
            each.labels.join(' '),
          ]),
        ),
  );
}

async function show(call: Call<unknown>, id: string): Promise<void> {
  const api = call.api();
  const found = await api.get(session, paths.session(id));
  const statements: Statement[] = [];
  let after: string | undefined;
  do {
    const page = await api.get(statementList, paths.statements(id), { limit: 200, after });
    statements.push(...page.items);
    after = page.next;
  } while (after !== undefined);
  call.terminal.result({ session: found, statements }, () => {
    const head = facts([
      ['session', found.id],
      [
        'who',
        found.principal === undefined
          ? '(erased)'
          : `${found.principal.name} (${found.principal.kind} ${found.principal.id})`,
      ],
      ['on behalf of', found.onBehalfOf],
      ['connection', found.connection],
      ['client', `${found.client} from ${found.sourceIp}`],
      [
        'time',
        `${moment(found.startedAt)} – ${found.endedAt ? moment(found.endedAt) : found.state}${found.endReason ? ` (${found.endReason})` : ''}`,
      ],
      ['labels', found.labels.join(' ')],
      ['waits for', found.waitsFor && `request ${found.waitsFor}`],
    ]);
    return [head, ...statements.map(statementText)].join('\n\n');
  });
}

function statementText(statement: Statement): string {
  return facts([
    [statement.decision, `${moment(statement.at)}  ledger entry ${statement.leaf}`],
    ['  statement', statement.text === undefined ? '(erased)' : shortened(statement.text, 300)],
    ['  reason', statement.reason],
    ['  policies', statement.policies.join(' ')],
    ['  tables', statement.tables.join(' ')],
    ['  labels', statement.labels.join(' ')],
    ['  request', statement.request],
    [
      '  outcome',
      statement.outcome &&
        `${statement.outcome}${statement.rows === undefined ? '' : `, ${statement.rows} rows`}${statement.durationMs === undefined ? '' : `, ${statement.durationMs} ms`}`,
    ],
  ]);
}

/** A timestamp, a day, or how long ago. */
function instant(text: string | undefined, now = Date.now()): string | undefined {
  if (text === undefined) return undefined;
  if (/^\d+[smhd]$/.test(text)) return new Date(now - duration('--since')(text) * 1000).toISOString();
  const time = Date.parse(text);
  if (!Number.isNaN(time)) return new Date(time).toISOString();
  return new Date(now - duration('--since')(text) * 1000).toISOString();
}
