import { timingSafeEqual } from 'node:crypto';
import {
  attributes,
  CHANNEL_BINDING_TYPE,
  fromBase64,
  isNonce,
  makeNonce,
  malformed,
  rejected,
  type ScramMechanism,
  scramText,
} from './scram-message.ts';
import { hmac, type ScramVerifier, sha256, xor } from './scram-verifier.ts';

export interface ScramServerOptions {
  /** From `parseScramVerifier`; for a user who does not exist one that no password fits, with a salt that stays the same. */
  readonly verifier: ScramVerifier;
  /** The mechanism the client chose. */
  readonly mechanism: ScramMechanism;
  /** Hash of our certificate when the connection is TLS: then -PLUS was offered. */
  readonly channelBinding?: Buffer;
  /** For tests. */
  readonly nonce?: string;
}

type State =
  | { readonly name: 'start' }
  | { readonly name: 'challenged'; readonly gs2: string; readonly signed: string; readonly nonce: string }
  | { readonly name: 'done' };

/**
 * The server's half of SCRAM-SHA-256(-PLUS), RFC 5802 and RFC 7677. The user's name inside the exchange is ignored as
 * PostgreSQL does: the startup packet names the user. Methods throw `WireError`.
 */
export class ScramServer {
  readonly #options: ScramServerOptions;
  #state: State = { name: 'start' };

  constructor(options: ScramServerOptions) {
    this.#options = options;
  }

  /** Takes client-first-message, gives server-first-message. */
  first(message: Buffer): Buffer {
    if (this.#state.name !== 'start') throw malformed('message out of order');
    const text = scramText(message);
    const header = /^(n|y|p=([A-Za-z0-9.-]+)),(a=[^,]*)?,/.exec(text);
    if (!header) throw malformed('bad GS2 header');
    this.#judgeBinding(header[1] as string, header[2]);
    if (header[3] !== undefined) throw malformed('another authorization identity is asked for');
    const bare = text.slice(header[0].length);
    const [, clientNonce = ''] = attributes(bare, ['n', 'r']);
    if (!isNonce(clientNonce)) throw malformed('bad nonce');
    const { verifier } = this.#options;
    const nonce = clientNonce + (this.#options.nonce ?? makeNonce());
    const answer = `r=${nonce},s=${verifier.salt.toString('base64')},i=${verifier.iterations}`;
    this.#state = { name: 'challenged', gs2: header[0], signed: `${bare},${answer}`, nonce };
    return Buffer.from(answer);
  }

  /** Takes client-final-message; gives server-final-message. `ERR_WIRE_SASL_REJECTED` when the proof is wrong. */
  final(message: Buffer): Buffer {
    const state = this.#state;
    if (state.name !== 'challenged') throw malformed('message out of order');
    this.#state = { name: 'done' };
    const text = scramText(message);
    const [binding, nonce] = attributes(text, ['c', 'r']);
    const proofAt = text.lastIndexOf(',p=');
    if (proofAt < 0) throw malformed('attribute p is missing');
    const proof = fromBase64(text.slice(proofAt + 3), 'proof');
    if (proof.length !== 32) throw malformed('proof of wrong length');
    if (binding !== this.#expectedBinding(state.gs2)) throw rejected('the channel binding does not match');
    if (nonce !== state.nonce) throw malformed('the nonce changed');
    const { verifier } = this.#options;
    const signed = Buffer.from(`${state.signed},${text.slice(0, proofAt)}`);
    const candidate = sha256(xor(proof, hmac(verifier.storedKey, signed)));
    if (!timingSafeEqual(candidate, verifier.storedKey)) throw rejected('the proof is wrong');
    return Buffer.from(`v=${hmac(verifier.serverKey, signed).toString('base64')}`);
  }

  /** RFC 5802 §6: `y` says "you did not offer binding"; when we did, somebody in between took the offer away. */
  #judgeBinding(flag: string, type: string | undefined): void {
    const plus = this.#options.mechanism === 'SCRAM-SHA-256-PLUS';
    if (type !== undefined) {
      if (!plus || this.#options.channelBinding === undefined) throw malformed('channel binding without -PLUS');
      if (type !== CHANNEL_BINDING_TYPE) throw malformed('unknown channel binding type');
    } else if (plus) {
      throw malformed('-PLUS without channel binding');
    } else if (flag === 'y' && this.#options.channelBinding !== undefined) {
      throw rejected('the client did not see that channel binding was offered');
    }
  }

  #expectedBinding(gs2: string): string {
    const data = gs2.startsWith('p') ? (this.#options.channelBinding ?? Buffer.alloc(0)) : Buffer.alloc(0);
    return Buffer.concat([Buffer.from(gs2), data]).toString('base64');
  }
}
