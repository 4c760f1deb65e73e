import { BodyReader } from '../../../wire/bytes/index.ts';

/** Rows captured from the gateway's own question: DataRow messages in text format, joined from the pieces in which they came. */
export function internalRows(pieces: readonly Buffer[]): (string | null)[][] {
  const bytes = Buffer.concat(pieces);
  const rows: (string | null)[][] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at + 1);
    const reader = new BodyReader(bytes.subarray(at + 5, at + 1 + length));
    const row: (string | null)[] = [];
    for (let left = reader.uint16(); left > 0; left--) {
      const size = reader.int32();
      row.push(size < 0 ? null : reader.bytes(size).toString('utf8'));
    }
    rows.push(row);
    at += 1 + length;
  }
  return rows;
}
