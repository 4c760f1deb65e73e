import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { DetectedCopy } from '../../../../src/dataplane/relay/postgres/detected-copy.ts';
import { DetectedRows } from '../../../../src/dataplane/relay/postgres/detected-rows.ts';
import { ColumnDetectors, DETECTOR_FAMILIES, DetectorSet } from '../../../../src/masking/index.ts';
import {
  card,
  emailOf,
  ibanOf,
  jwtOf,
  nationalIdOf,
  pemOf,
  phoneOf,
  secretOf,
} from '../../masking/detect/positives.ts';
import { LOOK_ALIKES, random } from '../../masking/detect/values.ts';

const set = new DetectorSet({
  families: new Set(DETECTOR_FAMILIES),
  patterns: [{ name: 'employee', pattern: 'EMP-[0-9]{6}', label: 'hr.employee' }],
});

function row(values: readonly (string | null)[]): Buffer {
  const fields = values.map((value) => {
    const bytes = Buffer.from(value ?? '');
    const length = Buffer.alloc(4);
    length.writeInt32BE(value === null ? -1 : bytes.length);
    return Buffer.concat([length, bytes]);
  });
  const body = Buffer.concat([Buffer.from([0, values.length]), ...fields]);
  const head = Buffer.from([0x44, 0, 0, 0, 0]);
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

function copyData(text: string | Buffer): Buffer {
  const body = Buffer.from(text as string);
  const head = Buffer.from([0x64, 0, 0, 0, 0]);
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

const columnsOf = (count: number, separator?: 'tab' | 'comma') =>
  new ColumnDetectors(
    set,
    () => 'mask',
    Array.from({ length: count }, (_, n) => ({ name: `c${n}`, writing: 'text' as const })),
    separator,
  );

const cutInto = (bytes: Buffer, cuts: readonly number[]): Buffer[] => {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...at, bytes.length].map((end, index) => Buffer.from(bytes.subarray(at[index - 1] ?? 0, end)));
};

const makers = [card, emailOf, ibanOf, jwtOf, pemOf, phoneOf, secretOf, () => 'EMP-123456'];

/** Rows with something to hide in every column, in the middle of other text and alone, some longer than what is kept back. */
function rows(seed: number): { readonly bytes: Buffer; readonly secrets: readonly string[] } {
  const draw = random(seed);
  const secrets: string[] = [];
  const value = (index: number) => {
    const made = makers[index % makers.length]?.(draw) ?? '';
    secrets.push(made);
    return made;
  };
  const all = Array.from({ length: 6 }, (_, n) =>
    row([
      String(n),
      value(n),
      null,
      n % 2 === 0 ? `${'word '.repeat(160)}${value(1)} and more` : '',
      JSON.stringify({ note: LOOK_ALIKES['sentence']?.(draw, n), contact: value(5) }),
      value(n + 3),
    ]),
  );
  return { bytes: Buffer.concat(all), secrets };
}

test('values are found and masked in rows however the stream is cut, and not a byte is lost or moved', () => {
  fc.assert(
    fc.property(fc.nat(1_000), fc.array(fc.nat(20_000), { maxLength: 6 }), (seed, cuts) => {
      const { bytes, secrets } = rows(seed);
      const columns = columnsOf(6);
      const gate = new DetectedRows(columns);
      const whole = gate.push(Buffer.from(bytes));
      assert.ok(gate.clear);
      assert.equal(whole.length, bytes.length);
      for (const secret of secrets) assert.ok(!whole.includes(secret), secret);

      const again = columnsOf(6);
      const cut = new DetectedRows(again);
      const out = Buffer.concat(cutInto(bytes, cuts).map((piece) => Buffer.from(cut.push(piece))));
      assert.ok(cut.clear);
      assert.ok(out.equals(whole), `cut at ${cuts.join()} with seed ${seed}`);
      assert.deepEqual(
        again.counts().map(({ column, detector, hits }) => [column, detector.id, hits]),
        columns.counts().map(({ column, detector, hits }) => [column, detector.id, hits]),
      );
    }),
    { numRuns: 1_500, seed: 3 },
  );
});

test('one byte at a time gives the same as one piece', () => {
  const { bytes } = rows(1);
  const whole = new DetectedRows(columnsOf(6)).push(Buffer.from(bytes));
  const gate = new DetectedRows(columnsOf(6));
  const out = Buffer.concat([...bytes].map((byte) => Buffer.from(gate.push(Buffer.of(byte)))));
  assert.ok(out.equals(whole));
});

test('of a row that has not ended no more is kept back than the end of a value', () => {
  const gate = new DetectedRows(columnsOf(1));
  const long = row(['x y '.repeat(500_000)]);
  const first = gate.push(Buffer.from(long.subarray(0, 1_000_000)));
  assert.ok(first.length >= 1_000_000 - 512, `${first.length}`);
});

test('what nobody looks for passes as it is', () => {
  const columns = new ColumnDetectors(set, () => 'mask', [
    { name: 'at', writing: 'skip' },
    { name: 'note', writing: 'text' },
  ]);
  const bytes = row(['a@example.org', 'a@example.org']);
  const out = new DetectedRows(columns).push(Buffer.from(bytes));
  assert.deepEqual(out, row(['a@example.org', '*@example.org']));
});

test('lines of COPY are read whole, also when the target spreads them over messages', () => {
  const draw = random(9);
  const lines = Array.from(
    { length: 8 },
    (_, n) => `${n}\t${emailOf(draw)}\t${ibanOf(draw)}\tplain ${n}\t${nationalIdOf('br', draw)}\n`,
  );
  const columns = columnsOf(5, 'tab');
  const whole = Buffer.concat(new DetectedCopy(columns, false).push(Buffer.concat(lines.map(copyData))));
  assert.equal(whole.length, Buffer.concat(lines.map(copyData)).length);
  assert.deepEqual(
    columns.counts().map(({ column, detector, hits }) => [column, detector.id, hits]),
    [
      [1, 'email', 8],
      [2, 'iban', 8],
      [4, 'id-br', 8],
    ],
  );
  const payload = (messages: Buffer) => {
    const parts: Buffer[] = [];
    for (let at = 0; at < messages.length; at += messages.readUInt32BE(at + 1) + 1)
      parts.push(messages.subarray(at + 5, at + 1 + messages.readUInt32BE(at + 1)));
    return Buffer.concat(parts).toString();
  };
  fc.assert(
    fc.property(
      fc.array(fc.nat(2_000), { maxLength: 12 }),
      fc.array(fc.nat(2_000), { maxLength: 5 }),
      (seams, cuts) => {
        const spread = Buffer.concat(cutInto(Buffer.from(lines.join('')), seams).map((part) => copyData(part)));
        const gate = new DetectedCopy(columnsOf(5, 'tab'), false);
        const out = Buffer.concat([
          ...cutInto(spread, cuts).flatMap((piece) => gate.push(piece).map((each) => Buffer.from(each))),
          gate.end(),
        ]);
        assert.equal(payload(out), payload(whole));
      },
    ),
    { numRuns: 500, seed: 4 },
  );
});

test('a JSON document stays one, and a number stays a number', () => {
  const columns = new ColumnDetectors(set, () => 'mask', [
    { name: 'doc', writing: 'text' },
    { name: 'card', writing: 'number' },
  ]);
  const document = {
    card: 4111111111111111,
    list: [4111111111111111],
    text: 'call +49 170 1234567',
    key: 'ghp_abcdefghijklmnopqrstuvwxyz0123456789',
  };
  const out = new DetectedRows(columns).push(row([JSON.stringify(document), '4111111111111111']));
  const text = out.toString();
  const json = JSON.parse(text.slice(text.indexOf('{'), text.indexOf('}') + 1)) as Record<string, unknown>;
  assert.deepEqual(json, {
    card: 1000000000001111,
    list: [1000000000001111],
    text: 'call *** *** *****67',
    key: `ghp_${'*'.repeat(36)}`,
  });
  assert.ok(text.endsWith('1000000000001111'));
});
