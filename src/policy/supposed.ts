import type { Principal, PrincipalKind } from '../model/principal.ts';

/** Somebody who is only talked about: in a policy test, or in a question about somebody else. */
export interface Supposed {
  readonly id: string;
  readonly kind: PrincipalKind;
  readonly groups: readonly string[];
  readonly issuer: string;
  readonly mfa: boolean;
  readonly onBehalfOf?: string | undefined;
}

/** The principal that policies are asked about in his place. He has proved nothing, so he is good for questions alone. */
export function supposedPrincipal({ id, kind, groups, issuer, mfa, onBehalfOf }: Supposed): Principal {
  return {
    ...{ id, issuer, subject: id, name: id, kind, groups, mfa },
    ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
    credential: { type: 'token' },
    expiresAt: Number.MAX_SAFE_INTEGER,
  };
}
