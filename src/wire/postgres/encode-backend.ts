import { BodyWriter } from '../bytes/body-writer.ts';
import { WireError } from '../errors.ts';
import type { Field, NoticeField, TransactionStatus } from './backend-message.ts';
import type { FormatCode } from './frontend-message.ts';
import { judgeKey } from './initial.ts';

/** Messages a server sends, each as a whole frame. All throw `WireError` on what the wire cannot say. */
export const backend = {
  authenticationOk: (): Buffer => authentication(0).finish(),
  authenticationCleartext: (): Buffer => authentication(3).finish(),
  authenticationMd5: (salt: Uint8Array): Buffer => authentication(5).bytes(salt).finish(),
  authenticationSasl(mechanisms: readonly string[]): Buffer {
    const writer = authentication(10);
    for (const mechanism of mechanisms) writer.cstring(mechanism);
    return writer.byte(0).finish();
  },
  authenticationSaslContinue: (data: Uint8Array): Buffer => authentication(11).bytes(data).finish(),
  authenticationSaslFinal: (data: Uint8Array): Buffer => authentication(12).bytes(data).finish(),

  /** @param minor newest minor version of protocol 3 that is spoken; sent with its major, as servers do */
  negotiateProtocolVersion(minor: number, unrecognised: readonly string[] = []): Buffer {
    const writer = new BodyWriter('v').uint16(3).uint16(minor).uint32(unrecognised.length);
    for (const option of unrecognised) writer.cstring(option);
    return writer.finish();
  },

  backendKeyData(pid: number, key: Uint8Array): Buffer {
    judgeKey(key);
    return new BodyWriter('K').int32(pid).bytes(key).finish();
  },
  parameterStatus: (name: string, value: string): Buffer => new BodyWriter('S').cstring(name).cstring(value).finish(),
  readyForQuery: (status: TransactionStatus): Buffer => new BodyWriter('Z').byte(status.charCodeAt(0)).finish(),

  rowDescription(fields: readonly Field[]): Buffer {
    const writer = new BodyWriter('T').uint16(fields.length);
    for (const field of fields) {
      writer.cstring(field.name).uint32(field.tableOid).int16(field.columnNumber).uint32(field.typeOid);
      writer.int16(field.typeSize).int32(field.typeModifier).int16(field.format);
    }
    return writer.finish();
  },
  parameterDescription(types: readonly number[]): Buffer {
    const writer = new BodyWriter('t').uint16(types.length);
    for (const oid of types) writer.uint32(oid);
    return writer.finish();
  },
  dataRow(values: readonly (Uint8Array | null)[]): Buffer {
    const writer = new BodyWriter('D').uint16(values.length);
    for (const value of values) writer.value(value);
    return writer.finish();
  },
  commandComplete: (tag: string): Buffer => new BodyWriter('C').cstring(tag).finish(),
  errorResponse: (fields: readonly NoticeField[]): Buffer => notice('E', fields),
  noticeResponse: (fields: readonly NoticeField[]): Buffer => notice('N', fields),
  notification: (pid: number, channel: string, payload: string): Buffer =>
    new BodyWriter('A').int32(pid).cstring(channel).cstring(payload).finish(),
  functionCallResponse: (value: Uint8Array | null): Buffer => new BodyWriter('V').value(value).finish(),

  copyIn: (format: FormatCode, columns: readonly FormatCode[]): Buffer => copyResponse('G', format, columns),
  copyOut: (format: FormatCode, columns: readonly FormatCode[]): Buffer => copyResponse('H', format, columns),
  copyBoth: (format: FormatCode, columns: readonly FormatCode[]): Buffer => copyResponse('W', format, columns),
  copyData: (data: Uint8Array): Buffer => new BodyWriter('d', data.length).bytes(data).finish(),
  copyDone: (): Buffer => new BodyWriter('c').finish(),

  emptyQuery: (): Buffer => new BodyWriter('I').finish(),
  noData: (): Buffer => new BodyWriter('n').finish(),
  parseComplete: (): Buffer => new BodyWriter('1').finish(),
  bindComplete: (): Buffer => new BodyWriter('2').finish(),
  closeComplete: (): Buffer => new BodyWriter('3').finish(),
  portalSuspended: (): Buffer => new BodyWriter('s').finish(),
} as const;

function authentication(code: number): BodyWriter {
  return new BodyWriter('R').uint32(code);
}

function notice(type: 'E' | 'N', fields: readonly NoticeField[]): Buffer {
  const writer = new BodyWriter(type, 256);
  for (const field of fields) {
    const code = field.code.charCodeAt(0);
    if (field.code.length !== 1 || code === 0) {
      throw new WireError('ERR_WIRE_NOT_ENCODABLE', 'the name of an error field is one letter');
    }
    writer.byte(code).cstring(field.value);
  }
  return writer.byte(0).finish();
}

function copyResponse(type: 'G' | 'H' | 'W', format: FormatCode, columns: readonly FormatCode[]): Buffer {
  const writer = new BodyWriter(type).byte(format).uint16(columns.length);
  for (const column of columns) writer.int16(column);
  return writer.finish();
}
