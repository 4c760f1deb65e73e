import { type Command, Option } from 'commander';
import { paths, type Request, request, requestList } from '../../controlplane/contract/index.ts';
import { type Call, doing, duration, wholeNumber } from '../call.ts';
import { facts, moment, plural, printable, shortened, table } from '../terminal.ts';

interface ListOptions {
  readonly state?: string;
  readonly connection?: string;
  readonly mine?: boolean;
  readonly limit: number;
}

interface OpenOptions {
  readonly connection: string;
  readonly unmask: readonly string[];
  readonly for: number;
  readonly reason: string;
}

interface ApproveOptions {
  readonly reason: string;
  readonly uses?: number;
  readonly window?: number;
  readonly rows?: number;
}

const STATES = ['pending', 'approved', 'denied', 'expired', 'cancelled', 'exhausted'];

export function registerRequests(program: Command): void {
  const requests = program.command('requests').description('statements that wait for another person’s consent');
  requests
    .command('list')
    .description('requests, the latest first')
    .addOption(new Option('--state <state>', 'only these').choices(STATES))
    .addOption(new Option('--connection <name>', 'only this connection'))
    .addOption(new Option('--mine', 'only what you asked for'))
    .addOption(new Option('--limit <n>', 'at most this many').argParser(wholeNumber('--limit')).default(50))
    .action(doing(list));
  requests
    .command('open')
    .description('ask to see labels unmasked for a while')
    .addOption(new Option('--unmask <label...>', 'labels; those below them are meant too').makeOptionMandatory())
    .requiredOption('--connection <name>', 'where')
    .addOption(
      new Option('--for <time>', 'how long, from consent on: 15m, 8h')
        .argParser(duration('--for'))
        .makeOptionMandatory(),
    )
    .requiredOption('--reason <text>', 'why; approvers read it, and it is kept as evidence')
    .action(doing(open));
  requests.command('show').description('one request, with the exact statement').argument('<id>').action(doing(show));
  requests
    .command('approve')
    .description('consent to exactly this statement')
    .argument('<id>')
    .requiredOption('--reason <text>', 'why; it is kept as evidence')
    .addOption(new Option('--uses <n>', 'how often it may run').argParser(wholeNumber('--uses')))
    .addOption(new Option('--window <time>', 'how long consent holds: 15m, 8h').argParser(duration('--window')))
    .addOption(new Option('--rows <n>', 'rows that may leave in total').argParser(wholeNumber('--rows')))
    .action(doing(approve));
  requests
    .command('deny')
    .description('refuse it')
    .argument('<id>')
    .requiredOption('--reason <text>', 'why; the requester is told')
    .action(
      doing(async (call: Call<{ reason: string }>, id: string) => {
        said(call, await call.api().post(request, paths.deny(id), { reason: call.options.reason }));
      }),
    );
  requests
    .command('cancel')
    .description('take back your own request')
    .argument('<id>')
    .option('--reason <text>', 'why')
    .action(
      doing(async (call: Call<{ reason?: string }>, id: string) => {
        const { reason } = call.options;
        said(call, await call.api().post(request, paths.cancel(id), reason === undefined ? {} : { reason }));
      }),
    );
}

async function list(call: Call<ListOptions>): Promise<void> {
  const { state, connection, mine, limit } = call.options;
  const api = call.api();
  const items: Request[] = [];
  let after: string | undefined;
  do {
    const page = await api.get(requestList, paths.requests(), {
      state,
      connection,
      mine,
      limit: Math.min(200, limit - items.length),
      after,
    });
    items.push(...page.items);
    after = page.next;
  } while (after !== undefined && items.length < limit);
  call.terminal.result({ items }, () =>
    items.length === 0
      ? 'no request fits'
      : table(
          ['REQUEST', 'STATE', 'ASKED (UTC)', 'BY', 'CONNECTION', 'CONSENT OF', 'STATEMENT'],
          items.map((each) => [
            each.id,
            each.state,
            moment(each.createdAt),
            shortened(each.requester.name, 30),
            each.connection,
            each.approvers.join(' '),
            shortened(asked(each), 60),
          ]),
        ),
  );
}

async function open(call: Call<OpenOptions>): Promise<void> {
  const { connection, unmask, for: seconds, reason } = call.options;
  const opened = await call.api().post(request, paths.requests(), { connection, unmask, seconds, reason });
  call.terminal.result(opened, (each) =>
    [
      `${each.id} is ${each.state}: ${each.why}`,
      `It waits for ${each.approvers.join(', ') || 'an approver'} (${plural(each.quorum, 'person', 'people')}). An approver decides with: gatehouse requests approve ${each.id} --reason …`,
    ].join('\n'),
  );
}

async function show(call: Call<unknown>, id: string): Promise<void> {
  const found = await call.api().get(request, paths.request(id));
  call.terminal.result(found, requestText);
}

async function approve(call: Call<ApproveOptions>, id: string): Promise<void> {
  const { reason, uses, window, rows } = call.options;
  const decided = await call.api().post(request, paths.approve(id), {
    reason,
    ...(uses === undefined ? {} : { uses }),
    ...(window === undefined ? {} : { windowSeconds: window }),
    ...(rows === undefined ? {} : { rowLimit: rows }),
  });
  said(call, decided);
}

function said(call: Call<unknown>, decided: Request): void {
  call.terminal.result(decided, (each) => {
    const open = each.quorum - each.decisions.filter(({ verdict }) => verdict === 'approve').length;
    const waits = each.state === 'pending' && open > 0 ? `, ${plural(open, 'more consent')} needed` : '';
    return `${each.id} is ${each.state}${waits}`;
  });
}

function requestText(each: Request): string {
  const head = facts([
    ['request', each.id],
    ['state', each.state],
    ['by', `${each.requester.name} (${each.requester.id})`],
    ['on behalf of', each.requester.onBehalfOf],
    ['connection', `${each.connection} as ${each.role}`],
    ['why', each.why],
    ['purpose', each.purpose],
    ['tables', each.tables.join(' ')],
    ['labels', each.labels.join(' ')],
    ['asks', each.unmask && asked(each)],
    ['consent of', `${each.approvers.join(', ')} (${plural(each.quorum, 'person', 'people')})`],
    ['asked', moment(each.createdAt)],
    ['expires', moment(each.expiresAt)],
    [
      'granted',
      each.grant &&
        `until ${moment(each.grant.notAfter)}, ${each.unmask ? 'any number of statements' : `used ${each.grant.used} of ${each.grant.uses}`}${each.grant.rowLimit === undefined ? '' : `, at most ${each.grant.rowLimit} rows`}`,
    ],
    ['binding', each.bindingHash],
    ['you', each.mine ? 'asked for it, so somebody else decides' : each.mayDecide ? 'may decide' : 'may not decide'],
  ]);
  const decisions = each.decisions.map(
    ({ verdict, approver, at, reason }) =>
      `${verdict === 'approve' ? 'approved' : 'denied'} by ${approver.name}${approver.onBehalfOf === undefined ? '' : ` on behalf of ${approver.onBehalfOf}`} at ${moment(at)}: ${printable(reason)}`,
  );
  return [head, ...(each.unmask ? [] : [printable(each.statement)]), ...decisions].join('\n\n');
}

/** What consent is asked for, in one line. */
function asked({ unmask, statement }: Request): string {
  return unmask === undefined ? statement : `unmask ${unmask.labels.join(', ')} for ${unmask.seconds} s`;
}
