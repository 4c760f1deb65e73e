import type { JsonValue } from '../model/json.ts';
import type { Disclosure } from '../model/record.ts';
import { disclosureDigest } from './verify/index.ts';

/**
 * A salted commitment to one value, worked out when somebody asks for it: most are asked for by the thread that publishes, not
 * where a statement waits. https://www.rfc-editor.org/rfc/rfc9901#section-4.2
 */
export class Commitment implements Disclosure {
  /** JSON of [salt, name, value]. */
  readonly plain: string;
  #encoded: string | undefined;
  #digest: string | undefined;

  constructor(plain: string) {
    this.plain = plain;
  }

  static to(salt: string, name: string, value: JsonValue): Commitment {
    return new Commitment(`["${salt}",${JSON.stringify(name)},${JSON.stringify(value)}]`);
  }

  get encoded(): string {
    this.#encoded ??= Buffer.from(this.plain).toString('base64url');
    return this.#encoded;
  }

  get digest(): string {
    this.#digest ??= disclosureDigest(this.encoded);
    return this.#digest;
  }
}
