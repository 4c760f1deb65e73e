import { BodyWriter } from '../bytes/body-writer.ts';
import type { FormatCode } from './frontend-message.ts';
import { encodeCancelRequest, encodeGssEncRequest, encodeSslRequest, encodeStartup } from './initial.ts';

/** Messages a client sends, each as a whole frame. All throw `WireError` on what the wire cannot say. */
export const frontend = {
  startup: encodeStartup,
  sslRequest: encodeSslRequest,
  gssEncRequest: encodeGssEncRequest,
  cancelRequest: encodeCancelRequest,

  query: (sql: string): Buffer => new BodyWriter('Q', sql.length).cstring(sql).finish(),

  parse(name: string, sql: string, parameterTypes: readonly number[] = []): Buffer {
    const writer = new BodyWriter('P', sql.length + 32).cstring(name).cstring(sql).uint16(parameterTypes.length);
    for (const oid of parameterTypes) writer.uint32(oid);
    return writer.finish();
  },

  bind(bind: {
    readonly portal?: string;
    readonly statement?: string;
    readonly parameterFormats?: readonly FormatCode[];
    readonly parameters?: readonly (Uint8Array | null)[];
    readonly resultFormats?: readonly FormatCode[];
  }): Buffer {
    const writer = new BodyWriter('B').cstring(bind.portal ?? '').cstring(bind.statement ?? '');
    writeFormats(writer, bind.parameterFormats ?? []);
    writeValues(writer, bind.parameters ?? []);
    return writeFormats(writer, bind.resultFormats ?? []).finish();
  },

  describe: (of: 'statement' | 'portal', name = ''): Buffer =>
    new BodyWriter('D')
      .byte(of === 'statement' ? 0x53 : 0x50)
      .cstring(name)
      .finish(),

  close: (of: 'statement' | 'portal', name = ''): Buffer =>
    new BodyWriter('C')
      .byte(of === 'statement' ? 0x53 : 0x50)
      .cstring(name)
      .finish(),

  execute: (portal = '', maxRows = 0): Buffer => new BodyWriter('E').cstring(portal).int32(maxRows).finish(),

  functionCall(
    oid: number,
    argumentFormats: readonly FormatCode[],
    args: readonly (Uint8Array | null)[],
    resultFormat: FormatCode,
  ): Buffer {
    const writer = new BodyWriter('F').uint32(oid);
    writeFormats(writer, argumentFormats);
    return writeValues(writer, args).int16(resultFormat).finish();
  },

  flush: (): Buffer => new BodyWriter('H').finish(),
  sync: (): Buffer => new BodyWriter('S').finish(),
  terminate: (): Buffer => new BodyWriter('X').finish(),
  copyData: (data: Uint8Array): Buffer => new BodyWriter('d', data.length).bytes(data).finish(),
  copyDone: (): Buffer => new BodyWriter('c').finish(),
  copyFail: (message: string): Buffer => new BodyWriter('f').cstring(message).finish(),

  password: (password: string): Buffer => new BodyWriter('p').cstring(password).finish(),
  saslInitial: (mechanism: string, response: Uint8Array | null): Buffer =>
    new BodyWriter('p').cstring(mechanism).value(response).finish(),
  saslResponse: (data: Uint8Array): Buffer => new BodyWriter('p').bytes(data).finish(),
} as const;

function writeFormats(writer: BodyWriter, formats: readonly FormatCode[]): BodyWriter {
  writer.uint16(formats.length);
  for (const format of formats) writer.int16(format);
  return writer;
}

function writeValues(writer: BodyWriter, values: readonly (Uint8Array | null)[]): BodyWriter {
  writer.uint16(values.length);
  for (const value of values) writer.value(value);
  return writer;
}
