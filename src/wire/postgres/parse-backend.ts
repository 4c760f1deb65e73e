import { BodyReader } from '../bytes/body-reader.ts';
import { type Frame, letter } from '../bytes/frame.ts';
import { WireError } from '../errors.ts';
import type { AuthenticationMessage, BackendMessage, CopyResponse, Field, NoticeField } from './backend-message.ts';
import { BACKEND } from './codes.ts';
import { judgeKey } from './initial.ts';
import { format, formats, times, value, values } from './parse-frontend.ts';

/** Fewest bytes of one described column: a name's NUL, two OIDs, three int16, one int32. */
const FIELD_BYTES = 19;

/**
 * Parses a server's message. Text is for people (a server may speak another encoding before the session is set up), so
 * what is not UTF-8 becomes U+FFFD; forward the frame's own bytes. Throws `WireError`.
 * https://www.postgresql.org/docs/18/protocol-message-formats.html
 */
export function parseBackend(frame: Frame): BackendMessage {
  const reader = new BodyReader(frame.body);
  const message = parseBody(frame.type, reader);
  reader.end();
  return message;
}

function parseBody(type: number, reader: BodyReader): BackendMessage {
  switch (type) {
    case BACKEND.authentication:
      return authentication(reader);
    case BACKEND.backendKeyData: {
      const pid = reader.int32();
      const key = reader.rest();
      judgeKey(key);
      return { kind: 'backend-key-data', pid, key };
    }
    case BACKEND.parameterStatus:
      return { kind: 'parameter-status', name: reader.displayString(), value: reader.displayString() };
    case BACKEND.readyForQuery:
      return { kind: 'ready-for-query', status: transactionStatus(reader) };
    case BACKEND.rowDescription:
      return { kind: 'row-description', fields: times(reader.count(FIELD_BYTES), () => field(reader)) };
    case BACKEND.parameterDescription:
      return { kind: 'parameter-description', types: times(reader.count(4), () => reader.uint32()) };
    case BACKEND.dataRow:
      return { kind: 'data-row', values: values(reader) };
    case BACKEND.commandComplete:
      return { kind: 'command-complete', tag: reader.displayString() };
    case BACKEND.errorResponse:
      return { kind: 'error-response', fields: noticeFields(reader) };
    case BACKEND.noticeResponse:
      return { kind: 'notice-response', fields: noticeFields(reader) };
    case BACKEND.notification:
      return {
        kind: 'notification',
        pid: reader.int32(),
        channel: reader.displayString(),
        payload: reader.displayString(),
      };
    case BACKEND.functionCallResponse:
      return { kind: 'function-call-response', value: value(reader) };
    case BACKEND.negotiateProtocolVersion:
      return negotiateProtocolVersion(reader);
    case BACKEND.copyIn:
      return copyResponse('copy-in', reader);
    case BACKEND.copyOut:
      return copyResponse('copy-out', reader);
    case BACKEND.copyBoth:
      return copyResponse('copy-both', reader);
    case BACKEND.copyData:
      return { kind: 'copy-data', data: reader.rest() };
    case BACKEND.copyDone:
      return { kind: 'copy-done' };
    case BACKEND.emptyQuery:
      return { kind: 'empty-query' };
    case BACKEND.noData:
      return { kind: 'no-data' };
    case BACKEND.parseComplete:
      return { kind: 'parse-complete' };
    case BACKEND.bindComplete:
      return { kind: 'bind-complete' };
    case BACKEND.closeComplete:
      return { kind: 'close-complete' };
    case BACKEND.portalSuspended:
      return { kind: 'portal-suspended' };
    default:
      throw new WireError('ERR_WIRE_UNKNOWN_MESSAGE', `a server does not send messages of type ${letter(type)}`);
  }
}

function authentication(reader: BodyReader): AuthenticationMessage {
  const code = reader.uint32();
  switch (code) {
    case 0:
      return { kind: 'authentication', method: 'ok' };
    case 3:
      return { kind: 'authentication', method: 'cleartext' };
    case 5:
      return { kind: 'authentication', method: 'md5', salt: reader.bytes(4) };
    case 10: {
      const mechanisms: string[] = [];
      for (let name = reader.displayString(); name !== ''; name = reader.displayString()) mechanisms.push(name);
      return { kind: 'authentication', method: 'sasl', mechanisms };
    }
    case 11:
      return { kind: 'authentication', method: 'sasl-continue', data: reader.rest() };
    case 12:
      return { kind: 'authentication', method: 'sasl-final', data: reader.rest() };
    default:
      return { kind: 'authentication', method: 'other', code, data: reader.rest() };
  }
}

function field(reader: BodyReader): Field {
  return {
    name: reader.displayString(),
    tableOid: reader.uint32(),
    columnNumber: reader.int16(),
    typeOid: reader.uint32(),
    typeSize: reader.int16(),
    typeModifier: reader.int32(),
    format: format(reader),
  };
}

function noticeFields(reader: BodyReader): NoticeField[] {
  const fields: NoticeField[] = [];
  for (let code = reader.byte(); code !== 0; code = reader.byte()) {
    fields.push({ code: String.fromCharCode(code), value: reader.displayString() });
  }
  return fields;
}

function transactionStatus(reader: BodyReader): 'I' | 'T' | 'E' {
  const status = String.fromCharCode(reader.byte());
  if (status === 'I' || status === 'T' || status === 'E') return status;
  throw new WireError('ERR_WIRE_BAD_VALUE', 'the transaction status is none of I, T, E');
}

function copyResponse(kind: CopyResponse['kind'], reader: BodyReader): CopyResponse {
  const overall = reader.byte();
  if (overall !== 0 && overall !== 1) throw new WireError('ERR_WIRE_BAD_VALUE', `${overall} is no COPY format`);
  return { kind, format: overall, columnFormats: formats(reader) };
}

/** Servers write the whole version (3 << 16 | minor) where the documentation says minor version: both are understood. */
function negotiateProtocolVersion(reader: BodyReader): BackendMessage {
  const version = reader.uint32();
  const major = Math.floor(version / 0x10000);
  if (major !== 0 && major !== 3)
    throw new WireError('ERR_WIRE_BAD_VALUE', `${major} is no protocol this codec speaks`);
  const count = reader.uint32();
  if (count > reader.remaining)
    throw new WireError('ERR_WIRE_TRUNCATED', `${count} options, ${reader.remaining} bytes`);
  const unrecognised = times(count, () => reader.displayString());
  return { kind: 'negotiate-protocol-version', minor: version % 0x10000, unrecognised };
}
