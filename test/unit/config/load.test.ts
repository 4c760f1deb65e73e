import assert from 'node:assert/strict';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { loadConfig } from '../../../src/config/index.ts';
import { certificate, DOCUMENTED, DOCUMENTED_LABELS, ENV, folderWith, jwks, problemsOf, SMALL } from './folder.ts';

async function loaded(folder: string) {
  const result = await loadConfig(folder, { env: ENV });
  assert.ok('ok' in result, JSON.stringify(result, null, 1));
  return result.ok;
}

test('the documented configuration loads as it is written', async (t) => {
  const folder = await folderWith(t, {
    'gatehouse.yaml': DOCUMENTED,
    'labels/shop.yaml': DOCUMENTED_LABELS,
    'jwks.json': await jwks(),
    'tls/x': '',
  });
  certificate(folder, 90);
  const { config, warnings, policyFiles, labelFiles } = await loaded(folder);
  assert.deepEqual(warnings, []);
  assert.deepEqual(config.listeners, {
    postgres: { host: '127.0.0.1', port: 6432 },
    control: { host: '127.0.0.1', port: 6400 },
  });
  assert.deepEqual(config.tls, { cert: join(folder, 'tls/cert.pem'), key: join(folder, 'tls/key.pem') });
  assert.deepEqual(config.issuers, [
    {
      issuer: 'https://idp.example',
      audience: ['gatehouse'],
      jwksFile: join(folder, 'jwks.json'),
      algorithms: ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'],
      clockSkew: 30,
      subjectPrefix: '',
      claims: { subject: 'sub', name: 'email', groups: 'groups', kind: 'gh_kind', onBehalfOf: 'act.sub' },
    },
  ]);
  assert.deepEqual(config.connections.get('shop'), {
    name: 'shop',
    protocol: 'postgres',
    address: { host: '127.0.0.1', port: 5432 },
    database: 'shop',
    tls: 'verify-full',
    credential: { username: 'app', password: { env: 'SHOP_PASSWORD' } },
  });
  assert.deepEqual(config.masks.default, { kind: 'redact' });
  assert.deepEqual(Object.fromEntries(config.masks.byLabel), {
    'pii.contact.email': { kind: 'pseudonym' },
    'pci.pan': { kind: 'partial', keepLast: 4 },
    'pii.birth': { kind: 'generalise', to: 'year' },
  });
  assert.deepEqual(
    [config.state, config.policies, config.labels],
    ['state', 'policies', 'labels'].map((name) => join(folder, name)),
  );
  assert.deepEqual(
    policyFiles.map(({ name }) => name),
    ['reading.cedar'],
  );
  assert.deepEqual(
    labelFiles.map(({ name }) => name),
    ['shop.yaml'],
  );
});

test('everything that may be left out has a sensible default', async (t) => {
  const { config } = await loaded(await folderWith(t, { 'gatehouse.yaml': SMALL }));
  assert.deepEqual(config.listeners.control, { host: '127.0.0.1', port: 6400 });
  assert.equal(config.connections.get('shop')?.database, 'shop');
  assert.equal(config.connections.get('shop')?.address.port, 5432);
  assert.equal(config.timeZone, 'UTC');
  assert.equal(config.approvals.mode, 'wait');
  assert.equal(config.tls, undefined);
  assert.deepEqual(config.masks.default, { kind: 'redact' });
});

test('every way of writing addresses, secrets, masks and audiences is understood', async (t) => {
  const folder = await folderWith(t, {
    'secret.txt': 'hunter2\n',
    'gatehouse.yaml': `
listeners: { postgres: "[::1]:7000", control: localhost:7001 }
identity:
  issuers:
    - { issuer: https://a.example, audience: [x, y], claims: { groups: realm_access.roles } }
    - { issuer: "http://127.0.0.1:9000/realms/ci", audience: x, subject_prefix: "ci:", algorithms: [EdDSA], clock_skew_seconds: 0 }
connections:
  one: { protocol: postgres, address: "[::1]:5433", tls: disable, credential: { username: u, password: { file: secret.txt } } }
  two: { protocol: postgres, address: db.internal:5432, credential: { username: u, password: { stored: true } } }
  three: { protocol: postgres, address: db.internal, credential: { username: u, password: { stored: other } } }
masks: { default: null, a: "null", b: redact, c: partial, d: generalise, e: pseudonym, f: { partial: { keep_first: 1 } }, g: { generalise: { band: 1000 } }, h: { generalise: decade } }
approvals: { mode: error, wait_seconds: 5 }
limits: { max_connections: 7 }
time_zone: Europe/Vienna
`,
    'labels/shop.yaml': '',
  });
  const { config } = await loaded(folder);
  assert.deepEqual(config.listeners.postgres, { host: '::1', port: 7000 });
  assert.deepEqual(
    config.issuers.map(({ audience }) => audience),
    [['x', 'y'], ['x']],
  );
  assert.deepEqual(config.issuers[0]?.claims, {
    subject: 'sub',
    name: 'email',
    groups: 'realm_access.roles',
    kind: 'gh_kind',
    onBehalfOf: 'act.sub',
  });
  assert.deepEqual(
    [...config.connections.values()].map(({ credential }) => credential.password),
    [{ file: join(folder, 'secret.txt') }, { stored: 'two' }, { stored: 'other' }],
  );
  assert.deepEqual(config.connections.get('one')?.address, { host: '::1', port: 5433 });
  assert.deepEqual(config.masks.default, { kind: 'null' });
  assert.deepEqual(Object.fromEntries(config.masks.byLabel), {
    a: { kind: 'null' },
    b: { kind: 'redact' },
    c: { kind: 'partial' },
    d: { kind: 'generalise', to: 'year' },
    e: { kind: 'pseudonym' },
    f: { kind: 'partial', keepFirst: 1 },
    g: { kind: 'generalise', to: { band: 1000 } },
    h: { kind: 'generalise', to: 'decade' },
  });
  assert.deepEqual(
    [config.approvals.mode, config.approvals.waitSeconds, config.limits.maxConnections],
    ['error', 5, 7],
  );
});

test('the version follows every file of the folder and nothing else', async (t) => {
  const folder = await folderWith(t, { 'gatehouse.yaml': SMALL, 'policies/a.test.yaml': '' });
  const first = (await loaded(folder)).version;
  assert.match(first, /^sha256:[0-9a-f]{64}$/);
  await writeFile(join(folder, 'README.md'), 'notes');
  assert.equal((await loaded(folder)).version, first);
  const seen = new Set([first]);
  for (const file of ['gatehouse.yaml', 'policies/reading.cedar', 'policies/a.test.yaml', 'labels/shop.yaml']) {
    await writeFile(join(folder, file), `\n${file.endsWith('.cedar') ? '// c' : '# c'}\n`, { flag: 'a' });
    seen.add((await loaded(folder)).version);
  }
  assert.equal(seen.size, 5);
});

test('every mistake of every file comes in one run, with its place', async (t) => {
  const folder = await folderWith(t, {
    'gatehouse.yaml': `listener: { postgres: 127.0.0.1:6432 }
listeners: { postgres: 127.0.0.1:6432, contrl: 0.0.0.0:6400 }
identity:
  issuers:
    - issuer: https://idp.example
      audience: []
      claims: { grups: x }
    - { issuer: http://idp.example, audience: x }
connections:
  shop:
    protocol: mysql
    tls: verify_full
    credential: { usrname: app, password: { enw: X } }
  crm: { protocol: postgres, address: 127.0.0.1, tls: disable, ca: ./none.pem, credential: { username: u } }
masks: { default: redcat, pci.pan: { partial: { keep_lst: 4 } }, x: { generalise: { band: 0 } } }
limits: { max_connections: 0 }
`,
    'policies/reading.cedar': 'permit (principal in Grup::"analysts", action, resource);\n',
    'labels/shop.yaml': 'shopp:\n  shop.customers: { email: pii }\n',
  });
  const problems = await problemsOf(folder);
  const expected = [
    'gatehouse.yaml:1:1 error unknown key listener',
    'gatehouse.yaml:2:40 error unknown key contrl in listeners',
    'gatehouse.yaml:6:17 error identity.issuers.0.audience must have at least 1 entries',
    'gatehouse.yaml:7:17 error unknown key grups in identity.issuers.0.claims',
    'gatehouse.yaml:8:17 error keys fetched over http could be anybody’s',
    'gatehouse.yaml:10:3 error connections.shop.address is missing',
    'gatehouse.yaml:11:15 error connections.shop.protocol cannot be "mysql"',
    'gatehouse.yaml:12:10 error connections.shop.tls cannot be "verify_full"',
    'gatehouse.yaml:13:5 error connections.shop.credential.username is missing',
    'gatehouse.yaml:13:19 error unknown key usrname in connections.shop.credential',
    'gatehouse.yaml:13:43 error connections.shop.credential.password cannot be what stands there',
    'gatehouse.yaml:14:68 error the file none.pem does not exist',
    'gatehouse.yaml:15:19 error masks.default cannot be "redcat"',
    'gatehouse.yaml:15:49 error unknown key keep_lst in masks.pci.pan.partial',
    'gatehouse.yaml:15:91 error masks.x.generalise.band must be above 0, not 0',
    'gatehouse.yaml:16:28 error limits.max_connections must be at least 1, not 0',
    'labels/shop.yaml:1:1 error there is no connection "shopp", so these labels protect nothing',
  ];
  for (const line of expected) assert.ok(problems.includes(line), `${line}\nis not among\n${problems.join('\n')}`);
  assert.ok(problems.some((line) => line.startsWith('policies/reading.cedar:1:') && line.includes('error')));
  assert.ok(problems.some((line) => line.startsWith('labels/shop.yaml:2:') && line.includes('not a list')));
  assert.ok('problems' in (await loadConfig(folder)));
});

test('a mistyped word comes with the word that was meant', async (t) => {
  const cases: readonly (readonly [wrong: string, meant: RegExp])[] = [
    [SMALL.replace('listeners', 'listners'), /Did you mean listeners\?/],
    [SMALL.replace('protocol: postgres', 'protocol: postgers'), /Did you mean postgres\?/],
    [SMALL.replace('disable', 'disabled'), /Did you mean disable\?/],
    [`${SMALL}masks: { default: pseudonim }\n`, /Did you mean pseudonym\?/],
    [`${SMALL}masks: { default: { generalise: yaer } }\n`, /Did you mean year\?/],
  ];
  for (const [text, meant] of cases) {
    const result = await loadConfig(await folderWith(t, { 'gatehouse.yaml': text }));
    assert.ok('problems' in result);
    assert.match(result.problems.map(({ help }) => help).join('\n'), meant, text);
  }
});

test('a value below a password is never repeated', async (t) => {
  for (const password of ['12345678', '[hunter2-canary]', '{ env: "hunter2 canary" }', '{ file: "" , hunter: 1 }']) {
    const text = SMALL.replace('username: app', `username: app, password: ${password}`);
    const problems = await problemsOf(await folderWith(t, { 'gatehouse.yaml': text }));
    assert.ok(problems.length > 0);
    assert.doesNotMatch(problems.join('\n'), /12345678|hunter2/);
  }
});

const broken: readonly (readonly [name: string, text: string, expected: RegExp])[] = [
  [
    'an unclosed bracket',
    'listeners: { postgres: 1\nconnections: {}\n',
    /gatehouse\.yaml:\d+:\d+ error this is not valid YAML/,
  ],
  ['a tab', 'listeners:\n\tpostgres: x\n', /error this is not valid YAML/],
  ['a name used twice', `${SMALL}  shop: { protocol: postgres }\n`, /:5:3 error this name is used twice/],
  ['an empty file', '', /the file must be a map of names to values, not empty/],
  ['a list', '- a\n', /the file must be a map of names to values, not a list/],
  [
    'an alias bomb',
    `a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: [*c, *c, *c, *c, *c, *c, *c, *c]\n`,
    /error/,
  ],
  ['a key from the prototype', `${SMALL}__proto__: { a: 1 }\nconstructor: 1\n`, /unknown key constructor/],
];
for (const [name, text, expected] of broken) {
  test(`no configuration comes out of ${name}`, async (t) => {
    const folder = await folderWith(t, { 'gatehouse.yaml': text });
    assert.match((await problemsOf(folder)).join('\n'), expected);
    assert.ok('problems' in (await loadConfig(folder)));
  });
}

test('policies and labels are judged even when gatehouse.yaml is no YAML', async (t) => {
  const folder = await folderWith(t, {
    'gatehouse.yaml': 'connections: [\n',
    'policies/reading.cedar': 'permit (\n',
    'labels/shop.yaml': 'shop: [\n',
  });
  const files = new Set((await problemsOf(folder)).map((line) => line.split(':', 1)[0]));
  assert.deepEqual([...files], ['gatehouse.yaml', 'labels/shop.yaml', 'policies/reading.cedar']);
});

test('a folder without gatehouse.yaml, policies or labels is refused with the way out', async (t) => {
  const folder = await folderWith(t, {});
  const missing = await loadConfig(folder);
  assert.ok('problems' in missing);
  assert.match(missing.problems[0]?.help ?? '', /gatehouse init/);
  await writeFile(join(folder, 'gatehouse.yaml'), SMALL);
  await rm(join(folder, 'policies'), { recursive: true });
  await rm(join(folder, 'labels'), { recursive: true });
  const problems = (await problemsOf(folder)).join('\n');
  assert.match(problems, /error the folder of policies does not exist/);
  assert.match(problems, /error the folder of labels does not exist/);
});

const findings: readonly (readonly [name: string, change: (text: string) => string, expected: RegExp])[] = [
  [
    'listeners on the same socket',
    (text) => text.replace('127.0.0.1:6432 }', '0.0.0.0:6400 }'),
    /error listeners.control would take the same socket/,
  ],
  [
    'a network listener without TLS',
    (text) => text.replace('127.0.0.1:6432', '0.0.0.0:6432'),
    /warning clients reach this listener over the network without TLS/,
  ],
  ['no listener for clients', (text) => text.replace('postgres: 127.0.0.1:6432', ''), /error no listener for clients/],
  [
    'the same issuer twice',
    (text) =>
      text.replace(
        'audience: gatehouse }]',
        'audience: gatehouse }, { issuer: https://idp.example, audience: b, subject_prefix: b }]',
      ),
    /error this issuer is configured twice/,
  ],
  [
    'two issuers with one prefix',
    (text) =>
      text.replace('audience: gatehouse }]', 'audience: gatehouse }, { issuer: https://b.example, audience: b }]'),
    /warning two issuers share the subject prefix/,
  ],
  [
    'an issuer with a query',
    (text) => text.replace('https://idp.example', 'https://idp.example/?a=b'),
    /error an issuer has no query/,
  ],
  [
    'a literal password',
    (text) => text.replace('username: app', 'username: app, password: hunter2'),
    /warning the password stands in the configuration file/,
  ],
  [
    'a variable that is not set',
    (text) => text.replace('username: app', 'username: app, password: { env: NOT_SET_HERE }'),
    /warning the environment variable NOT_SET_HERE is not set/,
  ],
  [
    'a password file that is missing',
    (text) => text.replace('username: app', 'username: app, password: { file: none }'),
    /error the file none does not exist/,
  ],
  [
    'a remote target in the clear',
    (text) => text.replace('127.0.0.1,', 'db.example,'),
    /warning shop is reached over the network in the clear/,
  ],
  [
    'a target that is this gateway',
    (text) => text.replace('address: 127.0.0.1', 'address: 127.0.0.1:6432'),
    /error shop leads back to this gateway/,
  ],
  [
    'names that differ in case',
    (text) => `${text}  Shop: { protocol: postgres, address: 127.0.0.1, tls: disable, credential: { username: u } }\n`,
    /error the connections shop and Shop differ only/,
  ],
  ['a name that is no name', (text) => text.replace('  shop:', '  sh/op:'), /error "sh\/op" cannot be used as a name/],
  ['an unknown time zone', (text) => `${text}time_zone: Europe/Wien\n`, /error there is no time zone/],
  [
    'HS256',
    (text) => text.replace('audience: gatehouse', 'audience: gatehouse, algorithms: [HS256]'),
    /error identity.issuers.0.algorithms.0 cannot be "HS256"/,
  ],
  [
    'none',
    (text) => text.replace('audience: gatehouse', 'audience: gatehouse, algorithms: [none]'),
    /error identity.issuers.0.algorithms.0 cannot be "none"/,
  ],
  [
    'an unbounded clock skew',
    (text) => text.replace('audience: gatehouse', 'audience: gatehouse, clock_skew_seconds: 3600'),
    /must be at most 120, not 3600/,
  ],
];
for (const [name, change, expected] of findings) {
  test(`found: ${name}`, async (t) => {
    const text = change(SMALL);
    assert.notEqual(text, SMALL);
    assert.match((await problemsOf(await folderWith(t, { 'gatehouse.yaml': text }))).join('\n'), expected);
  });
}

test('keys and certificates are opened, compared and judged', async (t) => {
  const text = `${SMALL}tls: { cert: tls/cert.pem, key: tls/key.pem }\n`;
  const folder = await folderWith(t, { 'gatehouse.yaml': text, 'tls/cert.pem': 'nonsense', 'tls/key.pem': 'nonsense' });
  const check = async (): Promise<string> => (await problemsOf(folder)).join('\n');
  assert.match(await check(), /tls.cert holds no readable certificate/);
  assert.match(await check(), /tls.key holds no readable private key/);
  certificate(folder, 90);
  assert.equal(await check(), '');
  await chmod(join(folder, 'tls/key.pem'), 0o644);
  assert.match(await check(), /warning every user of this machine may read tls\/key.pem/);
  const other = await folderWith(t, { 'tls/x': '' });
  certificate(other, 3);
  await writeFile(
    join(folder, 'tls/cert.pem'),
    await (await import('node:fs/promises')).readFile(join(other, 'tls/cert.pem')),
  );
  assert.match(await check(), /error .*tls.key does not belong to tls.cert/);
  assert.match(await check(), /warning tls.cert expires on/);
  const late = await loadConfig(folder, { env: ENV, now: Date.now() + 10 * 86_400_000 });
  assert.ok('problems' in late && late.problems.some(({ message }) => message.startsWith('tls.cert expired')));
});

test('a key file with private, shared or no keys is refused', async (t) => {
  const text = SMALL.replace('audience: gatehouse', 'audience: gatehouse, jwks_file: jwks.json');
  const cases: readonly (readonly [string, RegExp])[] = [
    ['{"keys":[]}', /holds no keys/],
    ['nonsense', /not JSON/],
    ['null', /holds no keys/],
    ['{"keys":[{"kty":"oct","k":"AA"}]}', /private or shared key/],
    ['{"keys":[{"kty":"RSA","n":"AA","e":"AQAB","d":"AA"}]}', /private or shared key/],
    ['{"keys":[7]}', /no key/],
  ];
  for (const [keys, expected] of cases) {
    assert.match(
      (await problemsOf(await folderWith(t, { 'gatehouse.yaml': text, 'jwks.json': keys }))).join('\n'),
      expected,
    );
  }
  assert.deepEqual(await problemsOf(await folderWith(t, { 'gatehouse.yaml': text, 'jwks.json': await jwks() })), []);
});

test('policies, labels and masks are held against each other', async (t) => {
  const folder = await folderWith(t, {
    'gatehouse.yaml': `${SMALL}masks: { pii.contct: redact }\n`,
    'labels/shop.yaml': 'shop:\n  shop.customers: { email: [pii.contact] }\n',
    'policies/reading.cedar': [
      'permit (principal, action == Action::"connect", resource == Connection::"shop");',
      '// about Connection::"nowhere" in a comment',
      'forbid (principal, action == Action::"read", resource in Connection::"shpo");',
      '@approval("owners") forbid (principal, action == Action::"read", resource in Label::"pii") unless { context.approved };',
      '',
    ].join('\n'),
    'policies/wrong.test.yaml':
      '- name: everybody reads\n  as: { id: a }\n  action: read\n  on: { connection: shop }\n  expect: allow\n',
  });
  const problems = (await problemsOf(folder)).join('\n');
  assert.match(problems, /gatehouse.yaml:5:10 warning no column has the label pii.contct/);
  assert.match(problems, /policies\/reading.cedar:3:\d+ warning there is no connection "shpo"/);
  assert.doesNotMatch(problems, /nowhere/);
  assert.match(
    problems,
    /policies\/reading.cedar:4:\d+ warning @approval names the group "owners", but no policy lets its members approve/,
  );
  assert.match(problems, /policies\/wrong.test.yaml:1:1 warning the policy test "everybody reads" fails/);
});

test('hidden files and folders are left alone, and folders inside are read', async (t) => {
  const folder = await folderWith(t, {
    'gatehouse.yaml': SMALL,
    'policies/.draft.cedar': 'nonsense',
    'policies/team/more.cedar': '',
  });
  await mkdir(join(folder, 'labels/.git'));
  await writeFile(join(folder, 'labels/.git/x.yaml'), 'nonsense: [');
  const { policyFiles, labelFiles } = await loaded(folder);
  assert.deepEqual(
    policyFiles.map(({ name }) => name),
    ['reading.cedar', 'team/more.cedar'],
  );
  assert.deepEqual(
    labelFiles.map(({ name }) => name),
    ['shop.yaml'],
  );
});
