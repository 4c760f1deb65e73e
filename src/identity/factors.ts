import type { Claims } from './token-shape.ts';

/** Which kind of factor a method proves. https://www.rfc-editor.org/rfc/rfc8176#section-2 */
const FACTORS: Readonly<Record<string, 'knowledge' | 'possession' | 'inherence'>> = {
  pwd: 'knowledge',
  pin: 'knowledge',
  kba: 'knowledge',
  otp: 'possession',
  hwk: 'possession',
  swk: 'possession',
  sc: 'possession',
  sms: 'possession',
  tel: 'possession',
  pop: 'possession',
  face: 'inherence',
  fpt: 'inherence',
  iris: 'inherence',
  retina: 'inherence',
  vbm: 'inherence',
};

/** Values of `acr` that mean several factors, whoever sends them. */
const STRONG_CONTEXTS: ReadonlySet<string> = new Set([
  'phr', // https://openid.net/specs/openid-connect-eap-acr-values-1_0.html
  'phrh',
  'https://refeds.org/profile/mfa',
  'http://schemas.openid.net/pape/policies/2007/06/multi-factor',
]);

/** Whether the token says that its holder logged in with more than one factor. */
export function authenticatedStrongly(claims: Claims): boolean {
  const { amr, acr } = claims;
  if (typeof acr === 'string' && STRONG_CONTEXTS.has(acr)) return true;
  if (!Array.isArray(amr)) return false;
  if (amr.includes('mfa')) return true;
  const kinds = amr.map((method) =>
    typeof method === 'string' && Object.hasOwn(FACTORS, method) ? FACTORS[method] : '',
  );
  return new Set(kinds.filter((kind) => kind !== '')).size > 1;
}
