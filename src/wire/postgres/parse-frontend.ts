import { isUtf8 } from 'node:buffer';
import { BodyReader } from '../bytes/body-reader.ts';
import { type Frame, letter } from '../bytes/frame.ts';
import { WireError } from '../errors.ts';
import { FRONTEND } from './codes.ts';
import type { FormatCode, FrontendMessage, SqlText } from './frontend-message.ts';

/**
 * Parses a client's message. Every byte of the frame is accounted for: what the server would not read is an error here,
 * so nothing can hide behind a NUL or after the last field. Throws `WireError`.
 * https://www.postgresql.org/docs/18/protocol-message-formats.html
 */
export function parseFrontend(frame: Frame): FrontendMessage {
  const reader = new BodyReader(frame.body);
  const message = parseBody(frame.type, reader);
  reader.end();
  return message;
}

function parseBody(type: number, reader: BodyReader): FrontendMessage {
  switch (type) {
    case FRONTEND.query:
      return { kind: 'query', ...sqlText(reader) };
    case FRONTEND.parse: {
      const name = reader.cstring();
      const sql = sqlText(reader);
      return { kind: 'parse', name, ...sql, parameterTypes: times(reader.count(4), () => reader.uint32()) };
    }
    case FRONTEND.bind:
      return bind(reader);
    case FRONTEND.describe:
      return { kind: 'describe', of: statementOrPortal(reader), name: reader.cstring() };
    case FRONTEND.close:
      return { kind: 'close', of: statementOrPortal(reader), name: reader.cstring() };
    case FRONTEND.execute:
      return { kind: 'execute', portal: reader.cstring(), maxRows: reader.int32() };
    case FRONTEND.functionCall:
      return functionCall(reader);
    case FRONTEND.flush:
      return { kind: 'flush' };
    case FRONTEND.sync:
      return { kind: 'sync' };
    case FRONTEND.terminate:
      return { kind: 'terminate' };
    case FRONTEND.copyData:
      return { kind: 'copy-data', data: reader.rest() };
    case FRONTEND.copyDone:
      return { kind: 'copy-done' };
    case FRONTEND.copyFail:
      return { kind: 'copy-fail', message: reader.displayString() };
    case FRONTEND.password:
      return { kind: 'password', data: reader.rest() };
    default:
      throw new WireError('ERR_WIRE_UNKNOWN_MESSAGE', `a client does not send messages of type ${letter(type)}`);
  }
}

function bind(reader: BodyReader): FrontendMessage {
  const portal = reader.cstring();
  const statement = reader.cstring();
  const parameterFormats = formats(reader);
  const parameters = values(reader);
  judgeFormatCount(parameterFormats.length, parameters.length);
  return { kind: 'bind', portal, statement, parameterFormats, parameters, resultFormats: formats(reader) };
}

function functionCall(reader: BodyReader): FrontendMessage {
  const oid = reader.uint32();
  const argumentFormats = formats(reader);
  const args = values(reader);
  judgeFormatCount(argumentFormats.length, args.length);
  return { kind: 'function-call', oid, argumentFormats, arguments: args, resultFormat: format(reader) };
}

/** The body of a PasswordMessage: one string. Throws `WireError`. */
export function parsePassword(data: Buffer): string {
  const reader = new BodyReader(data);
  const password = reader.cstring();
  reader.end();
  return password;
}

/** The body of a SASLInitialResponse. `response` is undefined when the client sent none. Throws `WireError`. */
export function parseSaslInitial(data: Buffer): { readonly mechanism: string; readonly response: Buffer | undefined } {
  const reader = new BodyReader(data);
  const mechanism = reader.cstring();
  const response = value(reader);
  reader.end();
  return { mechanism, response: response ?? undefined };
}

function sqlText(reader: BodyReader): SqlText {
  const bytes = reader.cstringBytes();
  return { text: bytes.toString('utf8'), wellFormed: isUtf8(bytes) };
}

function statementOrPortal(reader: BodyReader): 'statement' | 'portal' {
  const of = reader.byte();
  if (of === 0x53) return 'statement'; // S
  if (of === 0x50) return 'portal'; // P
  throw new WireError('ERR_WIRE_BAD_VALUE', `${letter(of)} is neither a statement nor a portal`);
}

export function format(reader: BodyReader): FormatCode {
  const code = reader.int16();
  if (code !== 0 && code !== 1) throw new WireError('ERR_WIRE_BAD_VALUE', `${code} is no format code`);
  return code;
}

export function formats(reader: BodyReader): FormatCode[] {
  return times(reader.count(2), () => format(reader));
}

/** A value with its length before it; null for length -1. */
export function value(reader: BodyReader): Buffer | null {
  const length = reader.int32();
  if (length === -1) return null;
  if (length < 0) throw new WireError('ERR_WIRE_BAD_VALUE', `${length} is no length of a value`);
  return reader.bytes(length);
}

export function values(reader: BodyReader): (Buffer | null)[] {
  return times(reader.count(4), () => value(reader));
}

export function times<T>(count: number, read: () => T): T[] {
  const items: T[] = [];
  for (let i = 0; i < count; i++) items.push(read());
  return items;
}

/** The server refuses any other number: otherwise two readers could pair formats and values differently. */
function judgeFormatCount(formatCount: number, valueCount: number): void {
  if (formatCount > 1 && formatCount !== valueCount) {
    throw new WireError('ERR_WIRE_BAD_VALUE', `${formatCount} formats for ${valueCount} values`);
  }
}
