import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import type { LoadedConfig } from '../../config/index.ts';
import type { StatementExplanation } from '../../controlplane/contract/index.ts';
import type { Offline } from '../../gateway.ts';
import type { PolicySet, Supposed } from '../../policy/index.ts';
import { type Call, doing, wholeNumber } from '../call.ts';
import { CliError } from '../errors.ts';
import { plural } from '../terminal.ts';

interface ExplainOptions {
  readonly as?: string;
  readonly group: readonly string[];
  readonly kind: string;
  readonly action?: string;
  readonly onBehalfOf?: string;
  readonly searchPath?: string;
  readonly connection?: string;
  readonly table?: string;
  readonly column?: string;
  readonly label: readonly string[];
  readonly tableLabel: readonly string[];
  readonly function?: string;
  readonly rows?: number;
  readonly approved?: boolean;
  readonly catalog: readonly string[];
  readonly folder: string;
}

export function registerPolicy(program: Command): void {
  const policy = program.command('policy').description('what is allowed, asked offline');
  policy
    .command('check')
    .description('parse the policies and validate them against the schema')
    .argument('[folder]', 'the folder with gatehouse.yaml', '.')
    .action(
      doing(async (call, folder: string) => {
        const { set } = await policiesIn(folder);
        call.terminal.result(
          { ok: true, version: set.version, policies: set.policies.size },
          (all) => `${plural(all.policies, 'policy', 'policies')} in order, ${all.version}`,
        );
      }),
    );
  policy
    .command('test')
    .description('run the *.test.yaml files next to the policies')
    .argument('[folder]', 'the folder with gatehouse.yaml', '.')
    .addOption(
      many('--catalog <file...>', 'exported catalogs for tests of statements; *.json of catalogs/ in the folder, too'),
    )
    .action(doing(test));
  policy
    .command('explain')
    .description(
      'what would become of a statement (asked of the running gateway, or offline with --catalog), or with --action what one question is answered with (offline)',
    )
    .argument('[statement or folder]', 'the SQL statement; with --action the folder with gatehouse.yaml', '.')
    .option('--as <id>', 'who asks; you, when absent')
    .addOption(many('--group <name...>', 'groups of who asks'))
    .addOption(new Option('--kind <kind>', 'what asks').choices(['person', 'service', 'agent']).default('person'))
    .option('--on-behalf-of <person>', 'for whom --as acts')
    .option('--action <action>', 'connect, read, write, define, call, unmask, approve, …')
    .option('--search-path <schemas>', 'for bare names of the statement, joined by commas; public when absent')
    .option('--connection <name>', 'the connection')
    .option('--table <schema.table>', 'quoted as in SQL')
    .option('--column <name>', 'a column of --table')
    .option('--function <schema.name>', 'a function')
    .addOption(many('--label <label...>', 'labels of the column (or table, without --column); alone: the label itself'))
    .addOption(many('--table-label <label...>', 'labels of the column’s table'))
    .addOption(new Option('--rows <n>', 'rows that have left so far').argParser(wholeNumber('--rows')))
    .option('--approved', 'as if consent had been given')
    .addOption(many('--catalog <file...>', 'explain the statement offline, on this exported catalog'))
    .option('--folder <path>', 'with --catalog: the folder with gatehouse.yaml', '.')
    .action(doing(explain));
}

function many(flags: string, description: string): Option {
  return new Option(flags, description).default([], 'none');
}

async function policiesIn(folder: string): Promise<{ set: PolicySet; loaded: LoadedConfig }> {
  const { formatProblem, loadConfig } = await import('../../config/index.ts');
  const result = await loadConfig(folder);
  if ('problems' in result) {
    const errors = result.problems.filter((problem) => problem.severity === 'error');
    throw new CliError(
      'ERR_CLI_FAILED',
      `${plural(errors.length, 'mistake')} in ${folder}\n${errors.map(formatProblem).join('\n')}`,
    );
  }
  const { loadPolicySet } = await import('../../policy/index.ts');
  const policies = loadPolicySet(result.ok.policyFiles);
  if ('problems' in policies) {
    const lines = policies.problems.map(
      ({ file, line, column, message, help }) => `${file}:${line}:${column}: ${message}\n  ${help}`,
    );
    throw new CliError('ERR_CLI_FAILED', lines.join('\n'));
  }
  return { set: policies.ok, loaded: result.ok };
}

async function test(call: Call<{ readonly catalog: readonly string[] }>, folder: string): Promise<void> {
  const { set, loaded } = await policiesIn(folder);
  const { runPolicyTests } = await import('../../policy/index.ts');
  const files = [...(await catalogsBeside(folder)), ...call.options.catalog];
  const statements = files.length === 0 ? undefined : (await offline(set, loaded, files)).answer;
  const run = runPolicyTests(set, loaded.policyTests, statements);
  const failed = run.results.filter(({ passed }) => !passed);
  const ok = failed.length === 0 && run.problems.length === 0;
  call.terminal.result({ ok, ...run }, () =>
    [
      ...run.problems.map(({ file, line, column, message }) => `${file}:${line}:${column}: ${message}`),
      ...run.results.map(
        ({ passed, name, file, line, message }) =>
          `${passed ? 'ok    ' : 'FAILED'} ${name} (${file}:${line})${message === undefined ? '' : `\n       ${message}`}`,
      ),
      ...(run.untested.length > 0 ? [`decided no case: ${run.untested.join(', ')}`] : []),
      '',
      `${run.results.length - failed.length} passed, ${failed.length} failed`,
    ].join('\n'),
  );
  if (!ok) process.exitCode = 1;
}

/** Catalogs that are kept with the configuration. */
async function catalogsBeside(folder: string): Promise<string[]> {
  const path = join(folder, 'catalogs');
  const names = await readdir(path).catch(() => []);
  return names
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => join(path, name));
}

async function offline(set: PolicySet, loaded: LoadedConfig, files: readonly string[]): Promise<Offline> {
  const catalogs = await Promise.all(
    files.map(async (name) => {
      const text = await readFile(name, 'utf8').catch((error: NodeJS.ErrnoException) => {
        throw new CliError('ERR_CLI_FAILED', `${name} cannot be read (${error.code})`);
      });
      return { name, text };
    }),
  );
  const { Offline } = await import('../../gateway.ts');
  return Offline.open({ config: loaded.config, policy: set, labels: loaded.labelFiles, catalogs });
}

async function explain(call: Call<ExplainOptions>, subject: string): Promise<void> {
  if (call.options.action === undefined) {
    return call.options.catalog.length > 0 ? explainOffline(call, subject) : explainStatement(call, subject);
  }
  return explainQuestion(call, subject);
}

/** The same as the running gateway would say, of the folder's own policies, labels and masks. */
async function explainOffline(call: Call<ExplainOptions>, statement: string): Promise<void> {
  const { as, group, kind, onBehalfOf, searchPath, approved, catalog, folder, rows } = call.options;
  if (as === undefined || statement === '.') {
    throw new CliError(
      'ERR_CLI_USAGE',
      '--catalog explains a statement for somebody',
      'Give both: gatehouse policy explain "SELECT email FROM customers" --catalog shop.json --as alice --group analysts',
    );
  }
  const { set, loaded } = await policiesIn(folder);
  const { circumstances, contextSchema, supposedPrincipal } = await import('../../policy/index.ts');
  const worlds = await offline(set, loaded, catalog);
  const connection = call.options.connection ?? worlds.connections[0] ?? '';
  const explained = worlds.explain({
    ...{ connection, statement },
    principal: supposedPrincipal({
      id: as,
      kind: kind as Supposed['kind'],
      groups: group,
      issuer: '',
      mfa: false,
      onBehalfOf,
    }),
    context: circumstances(contextSchema.parse({ approved: approved === true, rows: rows ?? 0 })),
    searchPath: searchPath?.split(',').map((schema) => schema.trim()) ?? ['public'],
  });
  if (explained === undefined) {
    throw new CliError(
      'ERR_CLI_USAGE',
      `there is no catalog of connection ${connection}, only of ${worlds.connections.join(', ')}`,
      `Write one with: gatehouse catalog export ${connection}`,
    );
  }
  await show(call, explained);
}

async function show(call: Call<unknown>, explained: StatementExplanation): Promise<void> {
  const { statementText } = await import('../explained.ts');
  call.terminal.result(explained, statementText);
  const refused = explained.refusal !== undefined;
  if (refused || explained.statements.some(({ decision }) => decision.effect !== 'forward')) process.exitCode = 1;
}

/** The running gateway knows the target's catalog, so it is the one that is asked; nothing runs there. */
async function explainStatement(call: Call<ExplainOptions>, statement: string): Promise<void> {
  const { as, group, kind, connection, onBehalfOf, searchPath, approved } = call.options;
  if (connection === undefined || statement === '.') {
    throw new CliError(
      'ERR_CLI_USAGE',
      'a statement needs --connection; a single question needs --action',
      'The statement comes first: gatehouse policy explain "SELECT email FROM customers" --connection shop',
    );
  }
  if (as === undefined && (group.length > 0 || onBehalfOf !== undefined)) {
    throw new CliError('ERR_CLI_USAGE', '--group and --on-behalf-of say something about --as', 'Name --as, too.');
  }
  const { paths, statementExplanation } = await import('../../controlplane/contract/index.ts');
  const explained = await call.api().post(statementExplanation, paths.explain(connection), {
    statement,
    ...(as === undefined
      ? {}
      : { as: { id: as, kind, groups: group, ...(onBehalfOf === undefined ? {} : { onBehalfOf }) } }),
    ...(searchPath === undefined ? {} : { searchPath: searchPath.split(',').map((schema) => schema.trim()) }),
    ...(approved === true ? { approved } : {}),
  });
  await show(call, explained);
}

async function explainQuestion(call: Call<ExplainOptions>, folder: string): Promise<void> {
  const { set } = await policiesIn(folder);
  const { explanationText, requestOf, writtenQuestionSchema } = await import('../../policy/index.ts');
  const { options } = call;
  const written = writtenQuestionSchema.safeParse({
    as: {
      id: options.as ?? '',
      groups: options.group,
      kind: options.kind,
      ...(options.onBehalfOf === undefined ? {} : { on_behalf_of: options.onBehalfOf }),
    },
    action: options.action,
    on: resource(options),
    context: { approved: options.approved === true, rows: options.rows ?? 0 },
  });
  if (!written.success) {
    const [issue] = written.error.issues;
    throw new CliError(
      'ERR_CLI_USAGE',
      `${issue?.path.join('.')}: ${issue?.message}`,
      'Run: gatehouse policy explain --help',
    );
  }
  const explanation = set.explain(requestOf(written.data));
  call.terminal.result(explanation, explanationText);
  if (explanation.decision.effect !== 'forward') process.exitCode = 1;
}

function resource(options: ExplainOptions): Record<string, unknown> {
  const { connection, table, column, label, tableLabel } = options;
  if (connection === undefined) {
    const [only] = label;
    if (only !== undefined) return { label: only };
    throw new CliError(
      'ERR_CLI_USAGE',
      'the question is about nothing',
      'Name --connection, or --label alone for unmask.',
    );
  }
  if (options.function !== undefined) return { connection, function: options.function };
  if (table === undefined) return { connection };
  if (column === undefined) return { connection, table, labels: label };
  return { connection, table, column, labels: label, table_labels: tableLabel };
}
