import type { JsonObject, JsonValue } from '../../model/json.ts';
import { VerifyError } from './errors.ts';
import { isCanonicalJson } from './jcs.ts';

/** What every entry of a log says of itself; further clear members stand beside it in `members`. */
export interface EntryEnvelope {
  readonly log: string;
  readonly seq: number;
  readonly kind: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly session?: string;
  /** Digests of the concealed values. */
  readonly concealed: readonly string[];
  readonly members: JsonObject;
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads an entry, which must be the canonical JSON of an envelope of version 1.
 * @throws VerifyError `ERR_VERIFY_ENTRY_FORMAT`
 */
export function parseEntry(bytes: Uint8Array): EntryEnvelope {
  const wrong = (why: string): never => {
    throw new VerifyError('ERR_VERIFY_ENTRY_FORMAT', `The entry is not an envelope: ${why}.`);
  };
  let members: JsonValue = null;
  let text = '';
  try {
    text = strictUtf8.decode(bytes);
    members = JSON.parse(text);
  } catch {
    wrong('it is not JSON in UTF-8');
  }
  if (!isObject(members)) return wrong('it is not a JSON object');
  if (!isCanonicalJson(members, text)) wrong('it is not in canonical form (RFC 8785)');
  const { v, log, seq, k, t, ses, _sd = [], _sd_alg } = members as Record<string, JsonValue | undefined>;
  if (v !== 1) wrong('its version is not 1');
  if (typeof log !== 'string' || typeof k !== 'string' || typeof seq !== 'number')
    return wrong('log, k or seq is missing');
  if (ses !== undefined && typeof ses !== 'string') return wrong('ses is not a string');
  const time = typeof t === 'string' ? Date.parse(t) : Number.NaN;
  if (Number.isNaN(time) || new Date(time).toISOString() !== t) wrong('t is not a time');
  if (!isDigestList(_sd)) return wrong('_sd is not a sorted list of digests');
  if (_sd_alg !== (_sd.length > 0 ? 'sha-256' : undefined)) wrong('_sd_alg does not fit _sd');
  return { log, seq, kind: k, time, ...(ses === undefined ? {} : { session: ses }), concealed: _sd, members };
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isDigestList(value: JsonValue): value is readonly string[] {
  return (
    Array.isArray(value) &&
    value.every((one, at) => typeof one === 'string' && one.length === 43 && (at === 0 || value[at - 1] < one))
  );
}
