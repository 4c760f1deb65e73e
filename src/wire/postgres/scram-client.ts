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
import {
  clientKey,
  hmac,
  MAX_ITERATIONS,
  MIN_ITERATIONS,
  saltedPassword,
  serverKey,
  sha256,
  xor,
} from './scram-verifier.ts';

export interface ScramClientOptions {
  readonly password: string;
  /** Not needed by PostgreSQL, which knows the user from the startup packet. */
  readonly user?: string;
  /**
   * Hash of the server's certificate (`tlsServerEndPoint`) when the connection is TLS. With `plusOffered` the exchange is
   * bound to it (-PLUS); without, the server is told that binding was possible but not offered.
   */
  readonly channelBinding?: Buffer;
  readonly plusOffered?: boolean;
  /** For tests. */
  readonly nonce?: string;
}

type State =
  | { readonly name: 'start' }
  | { readonly name: 'asked'; readonly bare: string; readonly nonce: string }
  | { readonly name: 'proved'; readonly signature: Buffer }
  | { readonly name: 'done' };

/** The client's half of SCRAM-SHA-256(-PLUS), RFC 5802 and RFC 7677. Methods throw `WireError`. */
export class ScramClient {
  readonly mechanism: ScramMechanism;
  readonly #options: ScramClientOptions;
  readonly #gs2: string;
  #state: State = { name: 'start' };

  constructor(options: ScramClientOptions) {
    this.#options = options;
    const bound = options.channelBinding !== undefined && options.plusOffered === true;
    this.mechanism = bound ? 'SCRAM-SHA-256-PLUS' : 'SCRAM-SHA-256';
    this.#gs2 = bound ? `p=${CHANNEL_BINDING_TYPE},,` : options.channelBinding !== undefined ? 'y,,' : 'n,,';
  }

  /** client-first-message. */
  first(): Buffer {
    if (this.#state.name !== 'start') throw malformed('message out of order');
    const nonce = this.#options.nonce ?? makeNonce();
    const user = (this.#options.user ?? '').replaceAll('=', '=3D').replaceAll(',', '=2C');
    const bare = `n=${user},r=${nonce}`;
    this.#state = { name: 'asked', bare, nonce };
    return Buffer.from(this.#gs2 + bare);
  }

  /** Takes server-first-message, gives client-final-message. Up to a million hash rounds, off the main thread. */
  async final(message: Buffer): Promise<Buffer> {
    const state = this.#state;
    if (state.name !== 'asked') throw malformed('message out of order');
    this.#state = { name: 'done' };
    const first = scramText(message);
    const [nonce = '', saltText = '', iterationText = ''] = attributes(first, ['r', 's', 'i']);
    if (!isNonce(nonce) || !nonce.startsWith(state.nonce) || nonce.length === state.nonce.length) {
      throw malformed('the server did not extend our nonce');
    }
    const salt = fromBase64(saltText, 'salt');
    const iterations = /^[1-9]\d{0,9}$/.test(iterationText) ? Number(iterationText) : Number.NaN;
    if (!(iterations >= MIN_ITERATIONS && iterations <= MAX_ITERATIONS)) {
      throw malformed(`the iteration count is not between ${MIN_ITERATIONS} and ${MAX_ITERATIONS}`);
    }
    const salted = await saltedPassword(this.#options.password, salt, iterations);
    const data = this.#gs2.startsWith('p') ? (this.#options.channelBinding ?? Buffer.alloc(0)) : Buffer.alloc(0);
    const binding = Buffer.concat([Buffer.from(this.#gs2), data]).toString('base64');
    const withoutProof = `c=${binding},r=${nonce}`;
    const signed = Buffer.from(`${state.bare},${first},${withoutProof}`);
    const key = clientKey(salted);
    const proof = xor(key, hmac(sha256(key), signed));
    this.#state = { name: 'proved', signature: hmac(serverKey(salted), signed) };
    return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`);
  }

  /** Takes server-final-message; throws `ERR_WIRE_SASL_REJECTED` unless the server proved that it knows the password too. */
  verify(message: Buffer): void {
    const state = this.#state;
    if (state.name !== 'proved') throw malformed('message out of order');
    this.#state = { name: 'done' };
    const text = scramText(message);
    if (text.startsWith('e=')) throw rejected('the server reports a failed exchange');
    const [signatureText = ''] = attributes(text, ['v']);
    const signature = fromBase64(signatureText, 'server signature');
    if (signature.length !== state.signature.length || !timingSafeEqual(signature, state.signature)) {
      throw rejected('the server does not know the password: it is not the server it claims to be');
    }
  }
}
