import type { Program } from './program.ts';

/** A transition that nobody has needed yet. */
export const UNKNOWN = -0x80000000;
const FIRST_STATES = 256;

/** What a reached state means: the patterns that end there, ascending. */
const NONE: readonly number[] = [];

/**
 * A deterministic automaton over bytes, built while it reads: each state is made when it is first needed, so patterns never blow up
 * ahead of time, every byte costs one table look-up, and a byte that needs a new state costs at most the size of the patterns. Memory is
 * bounded: a full table is thrown away and begun anew.
 *
 * `next[state + classes[byte]]` is the following state; below zero it is `~state` of one in which patterns end, or `UNKNOWN`.
 */
export class Automaton {
  /** Byte → class: bytes that no pattern tells apart share one. */
  readonly classes = new Uint8Array(256);
  next: Int32Array;
  /** The state in which a search begins. */
  start = 0;
  readonly #program: Program;
  readonly #anchored: boolean;
  readonly #before: number | undefined;
  readonly #shift: number;
  readonly #maxStates: number;
  readonly #samples: number[] = [];
  #sets: Int32Array[] = [];
  #ends: (readonly number[])[] = [];
  readonly #byKey = new Map<string, number>();

  /**
   * @param options.anchored Matches begin where the search begins; otherwise anywhere.
   * @param options.before The byte that counts as standing before the text: patterns that ask for a boundary see it.
   */
  constructor(
    program: Program,
    options: { readonly anchored?: boolean; readonly before?: number; readonly maxStates?: number } = {},
  ) {
    this.#program = program;
    this.#anchored = options.anchored ?? false;
    this.#before = options.before;
    this.#maxStates = options.maxStates ?? 4096;
    this.#classify();
    this.#shift = Math.ceil(Math.log2(this.#samples.length));
    this.next = new Int32Array(0);
    this.#reset();
  }

  /** Patterns that end in this state. */
  endsOf(state: number): readonly number[] {
    return this.#ends[state >> this.#shift] ?? NONE;
  }

  /** No match can come any more (anchored automata only). */
  isDead(state: number): boolean {
    return this.#sets[state >> this.#shift]?.length === 0;
  }

  /** Makes a transition that was UNKNOWN. Gives what now stands in the table. States given earlier may be void after it. */
  build(state: number, byte: number): number {
    const set = this.#sets[state >> this.#shift] ?? new Int32Array(0);
    const target = this.#step(set, byte);
    let from = state;
    if (this.#sets.length >= this.#maxStates && !this.#byKey.has(target.join(','))) {
      this.#reset();
      from = this.#intern(set);
    }
    const id = this.#intern(target);
    const value = this.endsOf(id).length > 0 ? ~id : id;
    this.next[from + (this.classes[byte] as number)] = value;
    return value;
  }

  #reset(): void {
    this.#sets = [];
    this.#ends = [];
    this.#byKey.clear();
    this.next = new Int32Array(FIRST_STATES << this.#shift).fill(UNKNOWN);
    const entry = this.#closure(this.#program.starts);
    this.start = this.#intern(this.#before === undefined ? entry : this.#step(entry, this.#before));
  }

  /** Bytes with the same marks in all sets form one class. */
  #classify(): void {
    const keys = new Map<string, number>();
    const sets = this.#program.instructions.flatMap((each) => (each.op === 'byte' ? [each.set] : []));
    const distinct = [...new Set(sets)];
    for (let byte = 0; byte < 256; byte++) {
      const key = distinct.map((set) => set[byte]).join('');
      const known = keys.get(key);
      const id = known ?? keys.size;
      if (known === undefined) {
        keys.set(key, id);
        this.#samples.push(byte);
      }
      this.classes[byte] = id;
    }
  }

  #step(set: Int32Array, byte: number): Int32Array {
    const reached: number[] = [];
    for (const at of set) {
      const instruction = this.#program.instructions[at];
      if (instruction?.op === 'byte' && instruction.set[byte] === 1) reached.push(instruction.next);
    }
    return this.#closure(this.#anchored ? reached : [...reached, ...this.#program.starts]);
  }

  #closure(from: readonly number[]): Int32Array {
    const seen = new Set<number>();
    const open = [...from];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (seen.has(at)) continue;
      seen.add(at);
      const instruction = this.#program.instructions[at];
      if (instruction?.op === 'split') open.push(instruction.next, instruction.other);
    }
    const kept = [...seen].filter((at) => this.#program.instructions[at]?.op !== 'split');
    return Int32Array.from(kept).sort();
  }

  #intern(set: Int32Array): number {
    const key = set.join(',');
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const index = this.#sets.length;
    if ((index + 1) << this.#shift > this.next.length) {
      const larger = new Int32Array(this.next.length * 2).fill(UNKNOWN);
      larger.set(this.next);
      this.next = larger;
    }
    const ends = new Set<number>();
    for (const at of set) {
      const instruction = this.#program.instructions[at];
      if (instruction?.op === 'match') ends.add(instruction.id);
    }
    this.#sets.push(set);
    this.#ends.push(ends.size === 0 ? NONE : [...ends].sort((a, b) => a - b));
    const id = index << this.#shift;
    this.#byKey.set(key, id);
    return id;
  }
}
