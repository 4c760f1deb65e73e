/**
 * Mutated recordings against every reader of the wire: `FUZZ_SECONDS=60 FUZZ_SEED=1 node --test test/fuzz/wire-postgres.fuzz.ts`.
 * Whatever arrives, only `WireError` may come out, a framing cut elsewhere must come to the same end, and no byte may be
 * lost or invented.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { FrameReader, FrameScanner, WireError } from '../../src/wire/bytes/index.ts';
import {
  backendLimit,
  frontendLimit,
  parseBackend,
  parseFrontend,
  parseInitial,
  parseOAuthInitialResponse,
  parsePassword,
  parseSaslInitial,
  readInitialLength,
  ScramClient,
  ScramServer,
  streamedByBackend,
} from '../../src/wire/postgres/index.ts';
import { SESSIONS, transcript } from '../unit/wire/transcripts.ts';
import { dice } from './dice.ts';

const seconds = Number(process.env['FUZZ_SECONDS'] ?? 5);
const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31);

const nasty = [0, 1, 3, 4, 5, 0x7f, 0xff, 0xffff, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];

function mutate(bytes: Buffer, roll: (below: number) => number): Buffer {
  let out = Buffer.from(bytes);
  for (let edits = roll(4); edits >= 0 && out.length > 4; edits--) {
    const at = roll(out.length - 4);
    switch (roll(6)) {
      case 0:
        out[at] = roll(256);
        break;
      case 1:
        out.writeUInt32BE(nasty[roll(nasty.length)] as number, at);
        break;
      case 2:
        out = Buffer.concat([out.subarray(0, at), out.subarray(at + 1 + roll(8))]);
        break;
      case 3:
        out = Buffer.concat([out.subarray(0, at), Buffer.alloc(1 + roll(8), roll(256)), out.subarray(at)]);
        break;
      case 4:
        out = Buffer.concat([out.subarray(0, at), out.subarray(roll(out.length))]);
        break;
      default:
        out = out.subarray(0, at);
    }
  }
  return out;
}

/** What a reader did: the frames it gave, and how it ended. */
function outcome(run: (say: (word: string) => void) => void): string {
  const words: string[] = [];
  try {
    run((word) => words.push(word));
    words.push('end');
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    words.push(error.code);
  }
  return words.join(' ');
}

function* cuts(bytes: Buffer, roll: (below: number) => number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + roll(roll(3) === 0 ? 3 : 200);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

function readAll(chunks: Iterable<Buffer>, limit: (type: number) => number): string {
  return outcome((say) => {
    const reader = new FrameReader(limit);
    for (const chunk of chunks) {
      reader.push(chunk);
      for (let frame = reader.next(); frame; frame = reader.next()) say(frame.bytes.toString('latin1'));
    }
  });
}

function scanAll(chunks: Iterable<Buffer>): string {
  const passed: Buffer[] = [];
  let rows = 0;
  const end = outcome(() => {
    const scanner = new FrameScanner({ limit: backendLimit(100_000), streamed: streamedByBackend });
    const sink = {
      run: (_type: number, bytes: Buffer, completed: number) => {
        passed.push(Buffer.from(bytes));
        rows += completed;
      },
      frame: (frame: { bytes: Buffer }) => {
        passed.push(Buffer.from(frame.bytes));
        return true;
      },
    };
    for (const chunk of chunks) scanner.push(chunk, sink);
  });
  return `${end} ${rows} ${Buffer.concat(passed).toString('latin1')}`;
}

function parseAll(bytes: Buffer, parse: typeof parseFrontend | typeof parseBackend): void {
  const reader = new FrameReader(() => 1_000_000);
  outcome(() => {
    reader.push(bytes);
    for (let frame = reader.next(); frame; frame = reader.next()) {
      const one = frame;
      outcome(() => {
        parse(one);
      });
    }
  });
}

const decoy = { iterations: 4096, salt: Buffer.alloc(16), storedKey: Buffer.alloc(32), serverKey: Buffer.alloc(32) };
const scramFirst = Buffer.from('r=abcdefgh,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096');
const oauth = Buffer.from('n,,\x01host=h\x01auth=Bearer abc.def\x01\x01');
const saslInitial = Buffer.from('SCRAM-SHA-256\0\0\0\0\x0bn,,n=,r=abc');

test(`only WireError comes out of mutated sessions (${seconds} s, seed ${seed})`, async () => {
  const roll = dice(seed);
  const end = Date.now() + seconds * 1000;
  const sessions = SESSIONS.map((name) => transcript(name));
  let rounds = 0;
  while (Date.now() < end) {
    for (const session of sessions) {
      const sent = mutate(session.frontend, roll);
      const limit = frontendLimit({ statement: 100_000, bind: 100_000, copyData: 100_000 });
      assert.equal(readAll(cuts(sent, roll), limit), readAll([sent], limit));
      parseAll(sent, parseFrontend);
      const answered = mutate(session.backend, roll);
      assert.equal(scanAll(cuts(answered, roll)), scanAll([answered]));
      parseAll(answered, parseBackend);
      const initial = mutate(session.initial, roll);
      outcome(() => {
        if (readInitialLength(initial) <= initial.length) parseInitial(initial.subarray(4, initial.readUInt32BE(0)));
      });
    }
    outcome(() => parseOAuthInitialResponse(mutate(oauth, roll)));
    outcome(() => parseSaslInitial(mutate(saslInitial, roll)));
    outcome(() => parsePassword(mutate(saslInitial, roll)));
    const server = new ScramServer({ verifier: decoy, mechanism: 'SCRAM-SHA-256' });
    outcome(() => {
      const challenge = server.first(mutate(Buffer.from('n,,n=,r=abcdef'), roll));
      server.final(mutate(Buffer.from(`c=biws,${challenge.toString().split(',')[0]},p=${'A'.repeat(43)}=`), roll));
    });
    if (rounds % 50 === 0) {
      const client = new ScramClient({ password: 'x', nonce: 'abcdef' });
      client.first();
      await client.final(mutate(scramFirst, roll)).catch((error: unknown) => {
        if (!(error instanceof WireError)) throw error;
      });
    }
    rounds++;
  }
  assert.ok(rounds > 0);
});
