import type { Refusal, RefusalCode } from '../../model/refusal.ts';
import type { NoticeField } from './backend-message.ts';
import { backend } from './encode-backend.ts';

/** `ERROR` leaves the session usable, `FATAL` ends it. https://www.postgresql.org/docs/18/protocol-error-fields.html */
export type Severity = 'ERROR' | 'FATAL';

interface Translation {
  /** https://www.postgresql.org/docs/18/errcodes-appendix.html */
  readonly sqlstate: string;
  readonly severity: Severity;
  /** Field M when clients react to its very words; the refusal's own message then stands in the detail. */
  readonly message?: string;
  /** Field R when clients react to it. */
  readonly routine?: string;
}

/** How PostgreSQL would say it. A new code does not compile until it stands here. */
export const refusalTable = {
  'policy-denied': { sqlstate: '42501', severity: 'ERROR' }, // insufficient_privilege
  'approval-required': { sqlstate: '42501', severity: 'ERROR' },
  'approval-denied': { sqlstate: '42501', severity: 'ERROR' },
  'approval-expired': { sqlstate: '42501', severity: 'ERROR' },
  'row-limit': { sqlstate: '54000', severity: 'ERROR' }, // program_limit_exceeded
  'statement-opaque': { sqlstate: '42601', severity: 'ERROR' }, // syntax_error
  'statement-too-large': { sqlstate: '54000', severity: 'ERROR' },
  'statement-unmaskable': { sqlstate: '42501', severity: 'ERROR' },
  'mask-written': { sqlstate: '42501', severity: 'ERROR' },
  // Drivers prepare again on exactly this: pgjdbc looks at the routine, asyncpg and others at the text.
  'plan-changed': {
    sqlstate: '0A000', // feature_not_supported
    severity: 'ERROR',
    message: 'cached plan must not change result type',
    routine: 'RevalidateCachedQuery',
  },
  // Clients and frameworks that know this code run the transaction again, which is what is to be done.
  'names-changed': { sqlstate: '40001', severity: 'ERROR' }, // serialization_failure
  'mask-violation': { sqlstate: '42501', severity: 'FATAL' },
  'value-detected': { sqlstate: '42501', severity: 'ERROR' },
  'ledger-unavailable': { sqlstate: '58030', severity: 'ERROR' }, // io_error
  'authentication-failed': { sqlstate: '28P01', severity: 'FATAL' }, // invalid_password
  'authentication-timeout': { sqlstate: '28000', severity: 'FATAL' }, // invalid_authorization_specification
  'credential-expired': { sqlstate: '28000', severity: 'FATAL' },
  'tls-required': { sqlstate: '28000', severity: 'FATAL' },
  'unknown-connection': { sqlstate: '3D000', severity: 'FATAL' }, // invalid_catalog_name
  'target-unavailable': { sqlstate: '08001', severity: 'FATAL' }, // sqlclient_unable_to_establish_sqlconnection
  'target-lost': { sqlstate: '08006', severity: 'FATAL' }, // connection_failure
  'session-ended': { sqlstate: '57P01', severity: 'FATAL' }, // admin_shutdown
  'too-many-connections': { sqlstate: '53300', severity: 'FATAL' }, // too_many_connections
  'shutting-down': { sqlstate: '57P01', severity: 'FATAL' },
  'protocol-violation': { sqlstate: '08P01', severity: 'FATAL' }, // protocol_violation
  'protocol-unsupported': { sqlstate: '0A000', severity: 'FATAL' },
  'internal-error': { sqlstate: 'XX000', severity: 'FATAL' }, // internal_error
} as const satisfies Record<RefusalCode, Translation>;

/** The fields of an ErrorResponse that says `refusal`; `severity` overrides the code's own. */
export function refusalFields(refusal: Refusal, severity?: Severity): NoticeField[] {
  const translation: Translation = refusalTable[refusal.code];
  const said = severity ?? translation.severity;
  const detail = translation.message === undefined ? refusal.detail : (refusal.detail ?? refusal.message);
  const fields: NoticeField[] = [
    { code: 'S', value: said },
    { code: 'V', value: said },
    { code: 'C', value: refusal.sqlstate ?? translation.sqlstate },
    { code: 'M', value: printable(translation.message ?? refusal.message) },
  ];
  if (detail !== undefined) fields.push({ code: 'D', value: printable(detail) });
  if (refusal.hint !== undefined) fields.push({ code: 'H', value: printable(refusal.hint) });
  if (refusal.position !== undefined) fields.push({ code: 'P', value: String(refusal.position) });
  // Every error of a server says where it arose, and drivers show it: here it tells ours from the target's own.
  fields.push({ code: 'F', value: 'gatehouse' }, { code: 'L', value: '1' });
  fields.push({ code: 'R', value: translation.routine ?? refusal.code.replaceAll('-', '_') });
  return fields;
}

/** The ErrorResponse frame for `refusal`. Never throws: a refusal must always be sayable. */
export function encodeRefusal(refusal: Refusal, severity?: Severity): Buffer {
  return backend.errorResponse(refusalFields(refusal, severity));
}

/** A NoticeResponse frame with the gateway's own words, e.g. that a statement waits for consent. */
export function encodeNotice(
  message: string,
  options: { readonly severity?: 'NOTICE' | 'WARNING'; readonly detail?: string; readonly hint?: string } = {},
): Buffer {
  const severity = options.severity ?? 'NOTICE';
  const fields: NoticeField[] = [
    { code: 'S', value: severity },
    { code: 'V', value: severity },
    { code: 'C', value: severity === 'WARNING' ? '01000' : '00000' },
    { code: 'M', value: printable(message) },
  ];
  if (options.detail !== undefined) fields.push({ code: 'D', value: printable(options.detail) });
  if (options.hint !== undefined) fields.push({ code: 'H', value: printable(options.hint) });
  return backend.noticeResponse(fields);
}

/** Texts may quote what a client sent: no NUL ends them early, and no length is beyond what clients read comfortably. */
function printable(text: string): string {
  const clean = text.replaceAll('\0', '\u{2400}');
  return clean.length > 8192 ? `${clean.slice(0, 8191)}…` : clean;
}
