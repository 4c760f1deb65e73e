import { WireError } from '../errors.ts';

/** One whole typed message. Both buffers are views of the same bytes: valid as long as the chunk they came from. */
export interface Frame {
  /** The type letter's code. */
  readonly type: number;
  /** Type, length and body. */
  readonly bytes: Buffer;
  readonly body: Buffer;
}

/** Type letter and 32-bit length: https://www.postgresql.org/docs/18/protocol-overview.html#PROTOCOL-MESSAGE-CONCEPTS */
export const HEADER_BYTES = 5;

/**
 * Largest body in bytes that a frame of this type may have; negative when the type is not accepted at all.
 * Asked when the header is read, before a byte of the body is waited for.
 */
export type FrameLimit = (type: number) => number;

/** Judges a frame's length field and gives the whole frame's size, header included. Throws `WireError`. */
export function judgeFrameSize(type: number, length: number, limit: number): number {
  if (limit < 0) {
    throw new WireError('ERR_WIRE_UNKNOWN_MESSAGE', `message type ${letter(type)} is not accepted here`);
  }
  // The length counts itself, not the type byte.
  if (length < 4) throw new WireError('ERR_WIRE_FRAME_TOO_SHORT', `length ${length} of ${letter(type)} is below 4`);
  if (length - 4 > limit) {
    throw new WireError(
      'ERR_WIRE_FRAME_TOO_LARGE',
      `${letter(type)} of ${length - 4} bytes is above the limit of ${limit}`,
    );
  }
  return length + 1;
}

export function frameOf(bytes: Buffer): Frame {
  return { type: bytes.readUInt8(0), bytes, body: bytes.subarray(HEADER_BYTES) };
}

/** A message type for people: the letter as a packet dump shows it, or its number. */
export function letter(type: number): string {
  return type > 0x20 && type < 0x7f ? `'${String.fromCharCode(type)}'` : `0x${type.toString(16).padStart(2, '0')}`;
}
