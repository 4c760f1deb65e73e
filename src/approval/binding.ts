import { createHash } from 'node:crypto';
import type { ApprovalBinding } from '../model/approval.ts';
import type { JsonObject } from '../model/json.ts';
import { canonicalJson } from './canonical.ts';

/** Keeps these hashes apart from every other use of SHA-256 in the house. */
const DOMAIN = 'gw/approval-binding/v1\n';

/** SHA-256 (hex) over the domain and the canonical JSON of any object to be bound. */
export function hashBound(bound: JsonObject): string {
  return createHash('sha256').update(DOMAIN).update(canonicalJson(bound), 'utf8').digest('hex');
}

/**
 * What consent is bound to. The random nonce (128 bits, base64url) keeps the public hash from being guessed back to the statement.
 * @throws ApprovalError `ERR_APPROVAL_BAD_BINDING`
 */
export function bindingHash(binding: ApprovalBinding, nonce: string): string {
  return hashBound({ ...binding, nonce });
}

/** Equal for equal bindings, whatever their nonce: finds requests, proves nothing, and never leaves the store. */
export function bindingKey(binding: ApprovalBinding): string {
  return createHash('sha256').update('gw/approval-key/v1\n').update(canonicalJson(binding), 'utf8').digest('hex');
}
