import { pseudonymSettings } from '../masking/index.ts';
import type { JsonObject } from '../model/json.ts';
import type { Principal } from '../model/principal.ts';
import type { RecordSink } from '../model/record.ts';

/** A span of time with one key. The id says which, and nothing about the key. */
export interface PseudonymEpoch {
  readonly id: string;
  /** Settings that carry the key into a target session. */
  readonly settings: readonly (readonly [name: string, value: string])[];
}

/** Small values that outlive the process; `SettingStore` is one. */
interface Kept {
  get(name: string): Promise<Buffer | undefined>;
  put(name: string, value: Buffer): Promise<void>;
}

export interface EpochsOptions {
  /** A key of 32 bytes for a use; the same for the same use. Never given away. */
  readonly derive: (use: string) => Buffer;
  readonly kept: Kept;
  readonly sink: RecordSink;
  readonly clock: () => number;
  /** Seconds of an epoch; undefined: until somebody rotates. */
  readonly period: () => number | undefined;
}

const ROTATIONS = 'pseudonym.rotations';
const RECORDED = 'pseudonym.epoch';

/**
 * Which key pseudonyms are made with. It is derived from the master key and the epoch's id, so nodes with the same master key and the same
 * count of rotations agree without speaking to each other. A change is recorded before it counts.
 */
export class PseudonymEpochs {
  readonly #options: EpochsOptions;
  #rotations: number;
  #current: PseudonymEpoch;
  /** Changes one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(options: EpochsOptions, rotations: number, id: string) {
    this.#options = options;
    this.#rotations = rotations;
    this.#current = this.#epoch(id);
  }

  /** Goes on where the last process ended. @throws what the ledger throws when a change meanwhile cannot be recorded */
  static async open(options: EpochsOptions): Promise<PseudonymEpochs> {
    const rotations = Number((await options.kept.get(ROTATIONS))?.toString() ?? 0);
    const recorded = (await options.kept.get(RECORDED))?.toString();
    const epochs = new PseudonymEpochs(options, rotations, recorded ?? '');
    await epochs.tick();
    return epochs;
  }

  get current(): PseudonymEpoch {
    return this.#current;
  }

  /** Goes over to the epoch of this moment, when it is another one. Called on a clock. */
  tick(): Promise<void> {
    if (this.#idNow(this.#rotations) === this.#current.id) return Promise.resolve();
    return this.#inTurn(() => this.#change(this.#rotations, { by: 'clock' }));
  }

  /** Begins a new epoch now, whatever the clock says. */
  rotate(actor: Principal, reason: string): Promise<{ readonly before: string; readonly after: string }> {
    return this.#inTurn(async () => {
      const before = this.#current.id;
      const said = { actor: { uid: actor.id, name: actor.name, kind: actor.kind }, reason };
      await this.#change(this.#rotations + 1, { by: 'person', assurance: actor.credential.type }, said);
      return { before, after: this.#current.id };
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work, work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #change(rotations: number, clear: JsonObject, hidden: JsonObject = {}): Promise<void> {
    const { sink, kept, clock } = this.#options;
    const id = this.#idNow(rotations);
    if (id === this.#current.id) return;
    await sink.append({
      kind: 'mask.rotated',
      time: clock(),
      clear: { ...clear, epoch: id, ...(this.#current.id === '' ? {} : { before: this.#current.id }) },
      hidden: Object.entries(hidden).map(([name, value]) => sink.conceal(name, value)),
    });
    if (rotations !== this.#rotations) await kept.put(ROTATIONS, Buffer.from(String(rotations)));
    await kept.put(RECORDED, Buffer.from(id));
    this.#rotations = rotations;
    this.#current = this.#epoch(id);
  }

  #idNow(rotations: number): string {
    const period = this.#options.period();
    if (period === undefined) return `${rotations}`;
    const ms = period * 1_000;
    return `${rotations}@${new Date(Math.floor(this.#options.clock() / ms) * ms).toISOString()}`;
  }

  #epoch(id: string): PseudonymEpoch {
    return { id, settings: pseudonymSettings(this.#options.derive(`pseudonym/2/${id}`)) };
  }
}
