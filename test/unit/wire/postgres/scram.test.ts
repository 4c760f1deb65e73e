import assert from 'node:assert/strict';
import test from 'node:test';
import {
  makeScramVerifier,
  parseScramVerifier,
  ScramClient,
  ScramServer,
  type WireError,
} from '../../../../src/wire/postgres/index.ts';
import { saslprep } from '../../../../src/wire/postgres/saslprep.ts';

const rejected = { name: 'WireError', code: 'ERR_WIRE_SASL_REJECTED' };
const malformed = { name: 'WireError', code: 'ERR_WIRE_SASL_MALFORMED' };

/** https://www.rfc-editor.org/rfc/rfc7677#section-3 */
const rfc7677 = {
  clientNonce: 'rOprNGfwEbeRWgbNEkqO',
  serverNonce: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
  clientFirst: 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
  serverFirst: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  clientFinal:
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
};
const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');

test('the client speaks the example of RFC 7677', async () => {
  const client = new ScramClient({ password: 'pencil', user: 'user', nonce: rfc7677.clientNonce });
  assert.equal(client.mechanism, 'SCRAM-SHA-256');
  assert.equal(client.first().toString(), rfc7677.clientFirst);
  assert.equal((await client.final(Buffer.from(rfc7677.serverFirst))).toString(), rfc7677.clientFinal);
  client.verify(Buffer.from(rfc7677.serverFinal));
});

test('the server speaks the example of RFC 7677', async () => {
  const verifier = parseScramVerifier(await makeScramVerifier('pencil', { salt }));
  const server = new ScramServer({ verifier, mechanism: 'SCRAM-SHA-256', nonce: rfc7677.serverNonce });
  assert.equal(server.first(Buffer.from(rfc7677.clientFirst)).toString(), rfc7677.serverFirst);
  assert.equal(server.final(Buffer.from(rfc7677.clientFinal)).toString(), rfc7677.serverFinal);
});

test('a verifier is spelled as the server spells it and reads back the same', async () => {
  const text = await makeScramVerifier('pencil', { salt, iterations: 4096 });
  assert.match(text, /^SCRAM-SHA-256\$4096:W22ZaJ0SNY7soEsUEjb6gQ==\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=$/);
  assert.equal(parseScramVerifier(text).storedKey.length, 32);
  for (const bad of [
    '',
    'md5abc',
    text.replace('SCRAM', 'scram'),
    text.replace('4096', '0'),
    text.slice(0, -2),
    `${text}x`,
  ]) {
    assert.throws(() => parseScramVerifier(bad), { name: 'WireError', code: 'ERR_WIRE_BAD_VALUE' }, bad);
  }
});

const binding = Buffer.alloc(32, 7);
interface Setting {
  readonly client: { readonly channelBinding?: Buffer; readonly plusOffered?: boolean };
  readonly server: { readonly channelBinding?: Buffer };
  readonly outcome: 'ok' | 'rejected' | 'malformed';
}
const settings: Record<string, Setting> = {
  'clear text on both sides': { client: {}, server: {}, outcome: 'ok' },
  'bound to the certificate': {
    client: { channelBinding: binding, plusOffered: true },
    server: { channelBinding: binding },
    outcome: 'ok',
  },
  'bound to two different certificates': {
    client: { channelBinding: Buffer.alloc(32, 8), plusOffered: true },
    server: { channelBinding: binding },
    outcome: 'rejected',
  },
  'the offer of -PLUS was taken away': {
    client: { channelBinding: binding, plusOffered: false },
    server: { channelBinding: binding },
    outcome: 'rejected',
  },
  'the server really has no -PLUS': {
    client: { channelBinding: binding, plusOffered: false },
    server: {},
    outcome: 'ok',
  },
  'a client without binding may use the plain mechanism': {
    client: {},
    server: { channelBinding: binding },
    outcome: 'ok',
  },
};

for (const [name, setting] of Object.entries(settings)) {
  test(`channel binding: ${name}`, async () => {
    const verifier = parseScramVerifier(await makeScramVerifier('s3cret'));
    const client = new ScramClient({ password: 's3cret', ...setting.client });
    const server = new ScramServer({ verifier, mechanism: client.mechanism, ...setting.server });
    const exchange = async () => client.verify(server.final(await client.final(server.first(client.first()))));
    if (setting.outcome === 'ok') await exchange();
    else await assert.rejects(exchange, setting.outcome === 'rejected' ? rejected : malformed);
  });
}

test('a wrong password and an unknown user are rejected alike', async () => {
  const known = parseScramVerifier(await makeScramVerifier('right'));
  const decoy = {
    iterations: 4096,
    salt: Buffer.alloc(16, 1),
    storedKey: Buffer.alloc(32, 2),
    serverKey: Buffer.alloc(32, 3),
  };
  const messages: string[] = [];
  for (const verifier of [known, decoy]) {
    const client = new ScramClient({ password: 'wrong' });
    const server = new ScramServer({ verifier, mechanism: 'SCRAM-SHA-256' });
    const final = await client.final(server.first(client.first()));
    assert.throws(
      () => server.final(final),
      (error: WireError) => {
        messages.push(`${error.code} ${error.message}`);
        return error.code === 'ERR_WIRE_SASL_REJECTED';
      },
    );
  }
  assert.equal(messages[0], messages[1]);
});

const clientFirsts: Record<string, string> = {
  empty: '',
  'no GS2 header': 'n=,r=abc',
  'binding with the plain mechanism': 'p=tls-server-end-point,,n=,r=abc',
  'another identity': 'n,a=admin,n=,r=abc',
  'no nonce': 'n,,n=',
  'empty nonce': 'n,,n=,r=',
  'nonce with a space': 'n,,n=,r=a b',
  'mandatory extension': 'n,,m=x,n=,r=abc',
  'attributes in the wrong order': 'n,,r=abc,n=',
  NUL: 'n,,n=,r=abc\0',
  'too long': `n,,n=,r=${'a'.repeat(5000)}`,
};
for (const [name, message] of Object.entries(clientFirsts)) {
  test(`the server refuses a first message: ${name}`, async () => {
    const verifier = parseScramVerifier(await makeScramVerifier('x'));
    const server = new ScramServer({ verifier, mechanism: 'SCRAM-SHA-256' });
    assert.throws(() => server.first(Buffer.from(message)), malformed);
  });
}

test('the server refuses a final message that comes first, twice, or with another nonce', async () => {
  const verifier = parseScramVerifier(await makeScramVerifier('pencil', { salt }));
  const make = () => new ScramServer({ verifier, mechanism: 'SCRAM-SHA-256', nonce: rfc7677.serverNonce });
  assert.throws(() => make().final(Buffer.from(rfc7677.clientFinal)), malformed);
  const twice = make();
  twice.first(Buffer.from(rfc7677.clientFirst));
  twice.final(Buffer.from(rfc7677.clientFinal));
  assert.throws(() => twice.final(Buffer.from(rfc7677.clientFinal)), malformed);
  for (const [bad, error] of [
    [rfc7677.clientFinal.replace('r=rO', 'r=rP'), malformed],
    [rfc7677.clientFinal.replace('c=biws', 'c=eSws'), rejected],
    [rfc7677.clientFinal.replace('p=dHzb', 'p=dHza'), rejected],
    [rfc7677.clientFinal.replace(/p=.*/, 'p=AAAA'), malformed],
    [rfc7677.clientFinal.replace(/,p=.*/, ''), malformed],
    [rfc7677.clientFinal.replace(/p=.*/, 'p=!'), malformed],
  ] as const) {
    const server = make();
    server.first(Buffer.from(rfc7677.clientFirst));
    assert.throws(() => server.final(Buffer.from(bad)), error, bad);
  }
});

const nonce = rfc7677.clientNonce;
const serverFirsts: Record<string, string> = {
  empty: '',
  'our nonce not extended': `r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`,
  'another nonce': 'r=abcdefgh,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  'too few rounds': `r=${nonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1`,
  'too many rounds': `r=${nonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1000001`,
  'rounds beyond 32 bits': `r=${nonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999999999999999`,
  'rounds in words': `r=${nonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096x`,
  'salt that is no base64': `r=${nonce}x,s=***,i=4096`,
  'empty salt': `r=${nonce}x,s=,i=4096`,
  'endless salt': `r=${nonce}x,s=${'A'.repeat(8192)},i=4096`,
  'mandatory extension': `m=1,r=${nonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`,
};
for (const [name, message] of Object.entries(serverFirsts)) {
  test(`the client refuses a challenge: ${name}`, async () => {
    const client = new ScramClient({ password: 'pencil', nonce });
    client.first();
    await assert.rejects(client.final(Buffer.from(message)), malformed);
  });
}

test('the client does not believe a server that cannot sign', async () => {
  for (const [bad, error] of [
    ['v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=', malformed], // not canonical base64
    ['v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=', rejected],
    ['v=AAAA', rejected],
    ['e=invalid-proof', rejected],
    ['', malformed],
  ] as const) {
    const client = new ScramClient({ password: 'pencil', user: 'user', nonce });
    client.first();
    await client.final(Buffer.from(rfc7677.serverFirst));
    assert.throws(() => client.verify(Buffer.from(bad)), error, bad);
  }
  const early = new ScramClient({ password: 'pencil' });
  assert.throws(() => early.verify(Buffer.from(rfc7677.serverFinal)), malformed);
});

test('SASLprep follows the examples of RFC 4013, and what it prohibits stays raw as in PostgreSQL', () => {
  for (const [given, prepared] of [
    ['user', 'user'],
    ['USER', 'USER'],
    ['I\u00adX', 'IX'],
    ['\u00aa', 'a'],
    ['\u2168', 'IX'],
    ['\u0007', '\u0007'],
    ['a\u00a0b', 'a b'],
    ['e\u0301', '\u00e9'],
    ['\u00e9\u0007', '\u00e9\u0007'],
    ['\u2168\u200e', '\u2168\u200e'],
    ['\u00ad', '\u00ad'],
  ] as const) {
    assert.equal(saslprep(given), prepared);
  }
});
