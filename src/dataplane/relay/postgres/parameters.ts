import type { ParameterValue } from '../../../masking/index.ts';
import { BodyReader } from '../../../wire/bytes/index.ts';
import type { BindMessage } from '../../../wire/postgres/index.ts';
import { textParameters } from '../../consent.ts';

/** Parameters kept per execution, and bytes kept of each. */
const MAX_PARAMETERS = 100;
const MAX_VALUE = 1_024;

/** Frame header: type byte and length. */
const HEADER = 5;

/** The part of a Bind message that holds parameter formats and values: what consent is bound to. */
export function parameterBytes(bind: Buffer): Buffer {
  const body = bind.subarray(HEADER);
  const statement = body.indexOf(0, body.indexOf(0) + 1) + 1;
  const reader = new BodyReader(body.subarray(statement));
  const formats = reader.int16();
  reader.bytes(formats * 2);
  const count = reader.uint16();
  let length = 2 + formats * 2 + 2;
  for (let index = 0; index < count; index++) {
    const size = reader.int32();
    length += 4;
    if (size > 0) {
      reader.bytes(size);
      length += size;
    }
  }
  return count === 0 ? Buffer.alloc(0) : body.subarray(statement, statement + length);
}

/** One parameter of a Bind message by its number, from 1, with the type that Parse gave it; undefined for NULL and what is not there. */
export function parameterOf(
  bind: Pick<BindMessage, 'parameterFormats' | 'parameters'>,
  number: number,
  types: readonly number[] | undefined,
): ParameterValue | undefined {
  const bytes = bind.parameters[number - 1];
  if (!bytes) return undefined;
  const { parameterFormats: formats } = bind;
  return { bytes, binary: (formats.length === 1 ? formats[0] : formats[number - 1]) === 1, type: types?.[number - 1] };
}

/** The same, written in one way where all of them are text: drivers differ in how they say so. */
export function comparableParameters(bind: Buffer): Buffer {
  const body = bind.subarray(HEADER);
  const reader = new BodyReader(body.subarray(body.indexOf(0, body.indexOf(0) + 1) + 1));
  for (let left = reader.int16(); left > 0; left--) if (reader.int16() !== 0) return parameterBytes(bind);
  const values: (Buffer | null)[] = [];
  for (let left = reader.uint16(); left > 0; left--) {
    const size = reader.int32();
    values.push(size < 0 ? null : Buffer.from(reader.bytes(size)));
  }
  return textParameters(values);
}

/** The Bind message for another prepared statement, all else as it is. */
export function boundTo(statement: string, bind: Buffer): Buffer {
  const body = bind.subarray(HEADER);
  const portal = body.subarray(0, body.indexOf(0) + 1);
  const rest = body.subarray(body.indexOf(0, portal.length) + 1);
  const named = Buffer.concat([bind.subarray(0, HEADER), portal, Buffer.from(`${statement}\0`), rest]);
  named.writeUInt32BE(named.length - 1, 1);
  return named;
}

/** Parameter values for the record: text as it is, binary in hex, null as null, long ones cut. */
export function describeParameters(bind: Buffer): readonly (string | null)[] {
  const body = bind.subarray(HEADER);
  const reader = new BodyReader(body.subarray(body.indexOf(0, body.indexOf(0) + 1) + 1));
  const formats: number[] = [];
  for (let left = reader.int16(); left > 0; left--) formats.push(reader.int16());
  const count = reader.uint16();
  const values: (string | null)[] = [];
  for (let index = 0; index < count && index < MAX_PARAMETERS; index++) {
    const size = reader.int32();
    if (size < 0) {
      values.push(null);
      continue;
    }
    const bytes = reader.bytes(size);
    const binary = (formats.length === 1 ? formats[0] : formats[index]) === 1;
    const kept = bytes.subarray(0, MAX_VALUE);
    const text = binary ? `\\x${kept.toString('hex')}` : kept.toString('utf8').toWellFormed();
    values.push(size > MAX_VALUE ? `${text}… (${size} bytes)` : text);
  }
  if (count > MAX_PARAMETERS) values.push(`… (${count} parameters)`);
  return values;
}
