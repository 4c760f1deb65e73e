/**
 * A bounded memory of what was used lately. Two generations instead of a list in order of use: a hit costs one look-up, and
 * what was not asked for during a whole generation is forgotten.
 */
export class Recent<Value> {
  readonly #half: number;
  #young = new Map<string | number, Value>();
  #old = new Map<string | number, Value>();

  /** Holds at most `capacity` values. */
  constructor(capacity: number) {
    this.#half = Math.max(1, Math.floor(capacity / 2));
  }

  get(key: string | number): Value | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: string | number, value: Value): void {
    if (this.#young.size >= this.#half && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }
}
