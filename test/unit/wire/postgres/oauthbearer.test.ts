import assert from 'node:assert/strict';
import test from 'node:test';
import {
  isOAuthDummyResponse,
  md5Password,
  oauthChallenge,
  parseOAuthInitialResponse,
} from '../../../../src/wire/postgres/index.ts';

const parse = (text: string) => parseOAuthInitialResponse(Buffer.from(text, 'latin1'));

test('an initial response gives its token, whatever else the client tells', () => {
  assert.deepEqual(parse('n,,\x01auth=Bearer abc.def-_~+/==\x01\x01'), { kind: 'token', token: 'abc.def-_~+/==' });
  assert.deepEqual(parse('y,,\x01host=db.example\x01port=5432\x01auth=bearer  t0k\x01\x01'), {
    kind: 'token',
    token: 't0k',
  });
});

test('an empty token asks where to get one', () => {
  assert.deepEqual(parse('n,,\x01auth=\x01\x01'), { kind: 'discovery' });
});

for (const bad of [
  '',
  'n,,',
  'n,,\x01',
  'n,,\x01\x01',
  'p=tls-server-end-point,,\x01auth=Bearer t\x01\x01',
  'n,a=admin,\x01auth=Bearer t\x01\x01',
  'n,,\x01auth=Bearer t\x01',
  'n,,\x01auth=Bearer t\x01\x01x',
  'n,,\x01auth=Bearer t\x01auth=Bearer u\x01\x01',
  'n,,\x01auth=Basic dTpw\x01\x01',
  'n,,\x01auth=Bearer\x01\x01',
  'n,,\x01auth=Bearer a b\x01\x01',
  'n,,\x01auth=Bearer t\0\x01\x01',
  'n,,\x01=Bearer t\x01\x01',
  'n,,\x01auth=Bearer \xff\x01\x01',
  'x,,\x01auth=Bearer t\x01\x01',
]) {
  test(`an initial response is refused: ${JSON.stringify(bad)}`, () => {
    assert.throws(() => parse(bad), { name: 'WireError', code: 'ERR_WIRE_SASL_MALFORMED' });
  });
}

test('an error about a token never holds the token', () => {
  assert.throws(
    () => parse('n,,\x01auth=Bearer s3cr3t s3cr3t\x01\x01'),
    (error: Error) => !error.message.includes('s3cr3t'),
  );
});

test('the challenge says where to get a token, in the words of RFC 7628', () => {
  const challenge = oauthChallenge({
    openidConfiguration: 'https://idp.example/.well-known/openid-configuration',
    scope: 'openid email',
  });
  assert.deepEqual(JSON.parse(challenge.toString()), {
    status: 'invalid_token',
    'openid-configuration': 'https://idp.example/.well-known/openid-configuration',
    scope: 'openid email',
  });
  assert.ok(isOAuthDummyResponse(Buffer.of(1)));
  assert.ok(!isOAuthDummyResponse(Buffer.of(1, 1)));
  assert.ok(!isOAuthDummyResponse(Buffer.alloc(0)));
});

test('md5 passwords are computed as in the manual', () => {
  // concat('md5', md5(concat(md5(concat(password, username)), random-salt)))
  assert.equal(md5Password('app', 'secret', Buffer.from([1, 2, 3, 4])), 'md5911f527656472583a006e7727877b33e');
});
