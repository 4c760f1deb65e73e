import { MaskingError } from '../../errors.ts';
import type { ByteSet, Node } from './pattern.ts';

/** One state of a Thompson automaton: it takes a byte, splits, or ends a match. */
export type Instruction =
  | { readonly op: 'byte'; readonly set: ByteSet; next: number }
  | { readonly op: 'split'; next: number; other: number }
  | { readonly op: 'match'; readonly id: number };

/** Written-out repetitions multiply: what a configuration may ask for is bounded. */
const MAX_INSTRUCTIONS = 20_000;

/** https://swtch.com/~rsc/regexp/regexp1.html */
export class Program {
  readonly instructions: Instruction[] = [];
  readonly starts: number[] = [];

  /**
   * Adds a pattern, whose matches are reported as `id`.
   * @throws MaskingError `ERR_MASKING_PATTERN` when the pattern is too large.
   */
  add(node: Node, id: number): void {
    const end = this.#push({ op: 'match', id });
    this.starts.push(this.#emit(node, end));
  }

  /** Gives where the node begins, when `next` follows it. */
  #emit(node: Node, next: number): number {
    switch (node.kind) {
      case 'set':
        return this.#push({ op: 'byte', set: node.set, next });
      case 'sequence':
        return node.items.reduceRight((after, item) => this.#emit(item, after), next);
      case 'choice':
        return node.items
          .map((item) => this.#emit(item, next))
          .reduceRight((other, first) => this.#push({ op: 'split', next: first, other }));
      case 'repeat':
        return this.#emitRepeat(node.item, node.min, node.max, next);
    }
  }

  #emitRepeat(item: Node, min: number, max: number, next: number): number {
    let after = next;
    if (max === Number.POSITIVE_INFINITY) {
      const loop: Instruction = { op: 'split', next: 0, other: next };
      const at = this.#push(loop);
      loop.next = this.#emit(item, at);
      after = at;
    } else {
      for (let n = min; n < max; n++) after = this.#push({ op: 'split', next: this.#emit(item, after), other: next });
    }
    for (let n = 0; n < min; n++) after = this.#emit(item, after);
    return after;
  }

  #push(instruction: Instruction): number {
    if (this.instructions.length >= MAX_INSTRUCTIONS)
      throw new MaskingError('ERR_MASKING_PATTERN', `written out, it has more than ${MAX_INSTRUCTIONS} places`);
    this.instructions.push(instruction);
    return this.instructions.length - 1;
  }
}
