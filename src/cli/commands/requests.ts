import { type Command, Option } from 'commander';
import { paths, type Request, request, requestList } from '../../controlplane/contract/index.ts';
import { type Call, doing, duration, wholeNumber } from '../call.ts';
import { CliError } from '../errors.ts';
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
  readonly for?: number;
  readonly statement?: string;
  readonly parameter: readonly string[];
  readonly uses?: number;
  readonly searchPath?: string;
  readonly reason: string;
}

interface ApproveOptions {
  readonly reason: string;
  readonly uses?: number;
  readonly window?: number;
  readonly rows?: number;
}

const STATES = ['pending', 'approved', 'denied', 'expired', 'cancelled', 'exhausted', 'revoked'];

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
    .description('ask to see labels unmasked: for a while, or in one statement')
    .addOption(new Option('--unmask <label...>', 'labels; those below them are meant too').makeOptionMandatory())
    .requiredOption('--connection <name>', 'where')
    .addOption(new Option('--for <time>', 'how long, from consent on: 15m, 8h').argParser(duration('--for')))
    .option('--statement <sql>', 'in exactly this text only, to the last blank')
    .addOption(new Option('--parameter <value...>', 'values of $1, $2 … of --statement').default([], 'none'))
    .addOption(
      new Option('--uses <n>', 'how often --statement may run; once when absent').argParser(wholeNumber('--uses')),
    )
    .option(
      '--search-path <schemas>',
      'for bare names of --statement, joined by commas; as in a new session when absent',
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
    .command('revoke')
    .description('take consent back before its end; results that are shown by it end at once')
    .argument('<id>')
    .requiredOption('--reason <text>', 'why; it is kept as evidence')
    .action(
      doing(async (call: Call<{ reason: string }>, id: string) => {
        said(call, await call.api().post(request, paths.revoke(id), { reason: call.options.reason }));
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
  const { connection, unmask, for: seconds, statement, parameter, uses, searchPath, reason } = call.options;
  if (seconds === undefined && statement === undefined) {
    throw new CliError('ERR_CLI_USAGE', 'it is not said for how long', 'Give --for, as in --for 1h, or --statement.');
  }
  const opened = await call.api().post(request, paths.requests(), {
    ...{ connection, unmask, reason },
    ...(seconds === undefined ? {} : { seconds }),
    ...(statement === undefined ? {} : { statement }),
    ...(parameter.length === 0 ? {} : { parameters: parameter }),
    ...(uses === undefined ? {} : { uses }),
    ...(searchPath === undefined ? {} : { searchPath: searchPath.split(',').map((schema) => schema.trim()) }),
  });
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
    [
      'parameters',
      each.parameterValues
        ?.map((value, index) => `$${index + 1} = ${value === null ? 'NULL' : JSON.stringify(value)}`)
        .join(', '),
    ],
    ['tables', each.tables.join(' ')],
    ['labels', each.labels.join(' ')],
    ['asks', each.unmask && asked(each)],
    ['consent of', `${each.approvers.join(', ')} (${plural(each.quorum, 'person', 'people')})`],
    ['asked', moment(each.createdAt)],
    ['expires', moment(each.expiresAt)],
    [
      'granted',
      each.grant &&
        `until ${moment(each.grant.notAfter)}, ${each.unmask && each.statement === '' ? 'any number of statements' : `used ${each.grant.used} of ${each.grant.uses}`}${each.grant.rowLimit === undefined ? '' : `, at most ${each.grant.rowLimit} rows`}`,
    ],
    [
      'taken back',
      each.revocation &&
        `by ${each.revocation.by.name} at ${moment(each.revocation.at)}: ${printable(each.revocation.reason)}`,
    ],
    ['binding', each.bindingHash],
    ['you', each.mine ? 'asked for it, so somebody else decides' : each.mayDecide ? 'may decide' : 'may not decide'],
  ]);
  const decisions = each.decisions.map(
    ({ verdict, approver, at, reason }) =>
      `${verdict === 'approve' ? 'approved' : 'denied'} by ${approver.name}${approver.onBehalfOf === undefined ? '' : ` on behalf of ${approver.onBehalfOf}`} at ${moment(at)}: ${printable(reason)}`,
  );
  return [head, ...(each.statement === '' ? [] : [printable(each.statement)]), ...decisions].join('\n\n');
}

/** What consent is asked for, in one line. */
function asked({ unmask, statement }: Request): string {
  if (unmask === undefined) return statement;
  const { labels, seconds, uses = 1 } = unmask;
  const span = seconds === undefined ? '' : ` for ${seconds} s`;
  if (statement === '') return `unmask ${labels.join(', ')}${span}`;
  return `unmask ${labels.join(', ')} in ${plural(uses, 'execution')}${span} of ${statement}`;
}
