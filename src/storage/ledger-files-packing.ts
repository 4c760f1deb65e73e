import { type Batch, batchesOf, type WrittenRecord, writeOut } from '../ledger/index.ts';

/*
 * What passes between the thread that appends and the one that publishes, as one piece of memory that changes hands instead of being
 * copied: batches one behind the other there, and back
 *
 *   record = entry length(4) disclosure length(4) leaf(32) entry disclosures       numbers big-endian
 */
const LENGTHS = 8;
const LEAF = 32;

/** In memory that holds nothing else. */
export function packBatches(batches: readonly Batch[]): Buffer {
  return gather(batches.map(({ bytes }) => bytes));
}

export function writeOutPacked(origin: string, packed: Uint8Array): Buffer {
  const records = writeOut(origin, batchesOf(Buffer.from(packed.buffer, packed.byteOffset, packed.length)));
  return gather(
    records.flatMap(({ entry, leaf, disclosures }) => {
      const lengths = Buffer.allocUnsafe(LENGTHS);
      lengths.writeUInt32BE(entry.length, 0);
      lengths.writeUInt32BE(disclosures.length, 4);
      return [lengths, leaf, entry, disclosures];
    }),
  );
}

export function unpackRecords(packed: Uint8Array): WrittenRecord[] {
  const bytes = Buffer.from(packed.buffer, packed.byteOffset, packed.length);
  const records: WrittenRecord[] = [];
  for (let at = 0; at < bytes.length; ) {
    const leafAt = at + LENGTHS;
    const entryAt = leafAt + LEAF;
    const disclosuresAt = entryAt + bytes.readUInt32BE(at);
    const end = disclosuresAt + bytes.readUInt32BE(at + 4);
    records.push({
      leaf: bytes.subarray(leafAt, entryAt),
      entry: bytes.subarray(entryAt, disclosuresAt),
      disclosures: bytes.subarray(disclosuresAt, end),
    });
    at = end;
  }
  return records;
}

function gather(pieces: readonly Buffer[]): Buffer {
  const bytes = Buffer.allocUnsafeSlow(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) at += piece.copy(bytes, at);
  return bytes;
}
