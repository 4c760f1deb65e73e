import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { createSigner } from '../../../../src/ledger/signer.ts';
import {
  encodeVkey,
  formatCheckpoint,
  formatProof,
  formatSignature,
  keyIdOf,
  leafHash,
  NOTE_ED25519,
  openCheckpoint,
  parseCheckpoint,
  parseNote,
  parseProof,
  parseVkey,
  rootOf,
  type VerifyError,
  verifyNote,
  verifyProof,
} from '../../../../src/ledger/verify/index.ts';

const ORIGIN = 'gw.example.com/evidence/1';
const LOG = 'gw.example.com/evidence/1+644b5deb+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4';
const WITNESS = 'witness.example.org/w1+f3c080b6+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X';
const proofText = readFileSync(new URL('../../../vectors/ledger/evidence.tlog-proof', import.meta.url), 'utf8');
const checkpointText = proofText.slice(proofText.indexOf('\n\n') + 2);

function seedKey(first: number): string {
  const seed = Buffer.from(Array.from({ length: 32 }, (_, n) => first + n));
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({
    format: 'pem',
    type: 'pkcs8',
  }) as string;
}

function refuses(code: string, act: () => void, why?: string): void {
  assert.throws(act, (error: VerifyError) => error.code === code, why);
}

test('the example key of the signed-note specification is read and written', () => {
  const vkey = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k';
  const { name, type, key, keyId } = parseVkey(vkey);
  assert.equal(keyId, 0x530d903a);
  assert.equal(encodeVkey(name, type, key), vkey);
});

test('the known log key comes out of its seed, and its checkpoint out of its three entries, byte for byte', () => {
  const signer = createSigner(ORIGIN, seedKey(0));
  assert.equal(signer.vkey, LOG);
  const leaves = [0, 1, 2].map((n) => leafHash(Buffer.from(`{"n":${n}}`)));
  assert.equal(leaves[0]?.toString('hex'), 'f94070abfd2da0bf72902eb13a808e794f954d9e2745c682a158f6ed0d4ac036');
  const signed = signer.sign({ origin: ORIGIN, size: 3, root: rootOf(leaves) }).toString('utf8');
  assert.equal(signed, `${checkpointText.split('\n').slice(0, 5).join('\n')}\n`);
});

test('the known tlog-proof is accepted for its entry alone', () => {
  const log = { vkey: LOG, origin: ORIGIN };
  assert.equal(verifyProof(proofText, Buffer.from('{"n":1}'), log).size, 3);
  refuses('ERR_VERIFY_INCLUSION', () => verifyProof(proofText, Buffer.from('{"n":2}'), log));
  refuses('ERR_VERIFY_INCLUSION', () =>
    verifyProof(proofText.replace('index 1', 'index 2'), Buffer.from('{"n":1}'), log),
  );
  refuses('ERR_VERIFY_PROOF', () => verifyProof(proofText.replace('index 1', 'index 01'), Buffer.from('{"n":1}'), log));
  refuses('ERR_VERIFY_PROOF', () => verifyProof(proofText.replace('@v1', '@v2'), Buffer.from('{"n":1}'), log));
  assert.equal(formatProof(parseProof(proofText)), proofText);
  const extra = { ...parseProof(proofText), extra: Buffer.from('x') };
  assert.deepEqual(parseProof(formatProof(extra)), extra);
});

test('the known cosignature is accepted, and refused with one second more', () => {
  const note = parseNote(Buffer.from(checkpointText));
  const verifiers = [parseVkey(LOG), parseVkey(WITNESS)];
  assert.deepEqual(
    verifyNote(note, verifiers).map(({ name }) => name),
    [ORIGIN, 'witness.example.org/w1'],
  );
  const later = note.signatures.map((one) => {
    const signature = Buffer.from(one.signature);
    if (one.name !== ORIGIN) signature[7] = (signature[7] as number) + 1;
    return { ...one, signature };
  });
  refuses('ERR_VERIFY_NOTE_SIGNATURE', () => verifyNote({ ...note, signatures: later }, verifiers));
});

test('a checkpoint is refused for each thing that can be wrong with it, by a code of its own', () => {
  const log = parseVkey(LOG);
  const open = (text: string) => () => openCheckpoint(Buffer.from(text), ORIGIN, log);
  assert.equal(openCheckpoint(Buffer.from(checkpointText), ORIGIN, log).size, 3);
  refuses('ERR_VERIFY_NOTE_SIGNATURE', open(checkpointText.replace('\n3\n', '\n4\n')), 'size');
  refuses('ERR_VERIFY_NOTE_SIGNATURE', open(checkpointText.replace('LP73', 'LP74')), 'root');
  refuses('ERR_VERIFY_NOTE_SIGNATURE', open(checkpointText.replace('ZEtd60kz', 'ZEtd60kA')), 'signature');
  refuses('ERR_VERIFY_ORIGIN', open(checkpointText.replace(`${ORIGIN}\n3`, `${ORIGIN}2\n3`)), 'origin');
  refuses('ERR_VERIFY_NOTE_UNKNOWN_KEY', open(checkpointText.replace('ZEtd60kz', 'ZEtd7Ekz')), 'key id');
  refuses('ERR_VERIFY_CHECKPOINT', open(checkpointText.replace('\n3\n', '\n03\n')), 'leading zero');
  refuses('ERR_VERIFY_CHECKPOINT', open(checkpointText.replace('\n3\n', '\n-3\n')), 'negative');
  refuses('ERR_VERIFY_CHECKPOINT', open(checkpointText.replace('LNo=', 'LN')), 'root of another length');
  refuses('ERR_VERIFY_NOTE', open(checkpointText.replaceAll('\n', '\r\n')), 'CRLF');
  refuses('ERR_VERIFY_NOTE', open(checkpointText.replace('3\n', '3\u0007\n')), 'control character');
  refuses('ERR_VERIFY_NOTE', open(checkpointText.slice(0, -1)), 'no last line feed');
  refuses('ERR_VERIFY_NOTE', open(checkpointText.replace('\n\n', '\n')), 'no empty line');
  refuses('ERR_VERIFY_NOTE', open(checkpointText.replace('\u2014 gw', '- gw')), 'another dash');
  refuses('ERR_VERIFY_NOTE', () => openCheckpoint(Buffer.from([0xff, 0x0a, 0x0a, 0x0a]), ORIGIN, log), 'not UTF-8');
  refuses('ERR_VERIFY_CHECKPOINT', open(checkpointText.replace('\n\n', '\n\n\n')), 'two empty lines');
});

test('sixteen signatures are read, unknown keys among them are ignored, and a second name for a known key does not count', () => {
  const strangers = Array.from({ length: 15 }, (_, n) =>
    formatSignature({ name: `w${n}`, keyId: n, signature: Buffer.alloc(72, n + 1) }),
  ).join('');
  const log = parseVkey(LOG);
  assert.equal(openCheckpoint(Buffer.from(checkpointText + strangers), ORIGIN, log).size, 3);
  const renamed = checkpointText.replace(`\u2014 ${ORIGIN} `, `\u2014 ${ORIGIN}x `);
  refuses('ERR_VERIFY_NOTE_UNKNOWN_KEY', () => openCheckpoint(Buffer.from(renamed), ORIGIN, log));
  const flood = checkpointText + strangers.repeat(10);
  refuses('ERR_VERIFY_NOTE', () => openCheckpoint(Buffer.from(flood), ORIGIN, log));
});

test('another key under the same name is not the log', () => {
  const other = createPrivateKey(seedKey(32));
  const raw = Buffer.from(createPublicKey(other).export({ format: 'jwk' }).x as string, 'base64url');
  const text = formatCheckpoint({
    origin: ORIGIN,
    size: 3,
    root: parseCheckpoint(parseNote(Buffer.from(checkpointText)).text).root,
  });
  const signature = {
    name: ORIGIN,
    keyId: keyIdOf(ORIGIN, NOTE_ED25519, raw),
    signature: sign(null, Buffer.from(text), other),
  };
  refuses('ERR_VERIFY_NOTE_UNKNOWN_KEY', () =>
    openCheckpoint(Buffer.from(`${text}\n${formatSignature(signature)}`), ORIGIN, parseVkey(LOG)),
  );
});

test('a verifier key that is mistyped is refused', () => {
  for (const vkey of ['', 'a+b', LOG.replace('644b', '644c'), LOG.slice(0, -1), LOG.replace('+AQ', '+Ag'), ` ${LOG}`]) {
    refuses('ERR_VERIFY_VKEY', () => parseVkey(vkey), vkey);
  }
});
