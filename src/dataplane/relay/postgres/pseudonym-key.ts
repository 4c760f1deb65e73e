import type { Refusal } from '../../../model/refusal.ts';
import { frontend } from '../../../wire/postgres/index.ts';
import { refusal } from '../../errors.ts';
import { permitHousekeeping } from '../../permit.ts';
import type { RelayCore } from './core.ts';
import { expectation } from './expectation.ts';

const NAME = '__gatehouse_key';
const SET = 'SELECT pg_catalog.set_config($1, $2, false), pg_catalog.set_config($3, $4, false)';

const MOST_FAILURES = 3;

/** Settings of the target's session that masks read the key from. */
type Held = 'none' | 'unknown' | { readonly epoch: string };

/**
 * The key of pseudonyms in one target session. It is there only while something is hidden from the principal: he who sees everything may
 * call functions that could read it. It is set between transactions (a rollback would set it back) by parameters, which no activity view
 * shows; so an open session goes over to a new epoch with its next statement outside a transaction.
 */
export class PseudonymKey {
  readonly #core: RelayCore;
  #held: Held = 'none';
  /** Names of the settings that were set, so that they can be emptied. */
  #names: readonly string[] = [];
  #failures = 0;

  constructor(core: RelayCore) {
    this.#core = core;
  }

  /** The session has another key than it should; to be asked between transactions. A target that will not take it is not asked for ever. */
  get due(): boolean {
    const held = this.#held;
    if (this.#failures >= MOST_FAILURES) return false;
    if (this.#core.names.view().hidden.size === 0) return held !== 'none';
    return typeof held === 'string' || held.epoch !== this.#core.session.services.pseudonyms().id;
  }

  /** Nothing is hidden any more, and the key may still be there: nobody may run anything beside it. */
  get left(): Refusal | undefined {
    return this.#held === 'none' ? undefined : LEFT;
  }

  /** A statement was forwarded that may have emptied the setting; a rollback may bring it back. */
  touched(): void {
    if (this.#held !== 'none') this.#held = 'unknown';
  }

  /** Sets what should be there. Nothing runs meanwhile, and no transaction is open. */
  async renew(): Promise<void> {
    const core = this.#core;
    const { id, settings } = core.session.services.pseudonyms();
    const hides = core.names.view().hidden.size > 0;
    const wanted = hides ? settings : this.#names.map((name) => [name, ''] as const);
    this.#held = 'unknown';
    this.#names = wanted.map(([name]) => name);
    const done = Promise.withResolvers<'done' | 'failed'>();
    const internal = { internal: true } as const;
    core.replies.expect(expectation('parse', internal));
    core.replies.expect(expectation('bind', internal));
    core.replies.expect(expectation('execute', { ...internal, capture: [], settle: done.resolve }));
    core.replies.expect(expectation('close', internal));
    core.replies.expect(expectation('close', internal));
    core.replies.expect(expectation('sync', internal));
    const parameters = wanted.flatMap(([name, value]) => [Buffer.from(name), Buffer.from(value)]);
    core.forward(
      permitHousekeeping(
        Buffer.concat([
          frontend.parse(NAME, SET),
          frontend.bind({ portal: NAME, statement: NAME, parameters }),
          frontend.execute(NAME),
          frontend.close('portal', NAME),
          frontend.close('statement', NAME),
          frontend.sync(),
        ]),
      ),
    );
    core.flushTarget();
    await core.settled();
    if (core.over) return;
    if ((await done.promise) !== 'done') {
      this.#failures += 1; // masks do without: they show constants
      return;
    }
    this.#failures = 0;
    this.#held = hides ? { epoch: id } : 'none';
  }
}

const LEFT = refusal(
  'plan-changed',
  'gatehouse: nothing is hidden from you any more, but this transaction began with masks',
  { sqlstate: '42501', hint: 'End the transaction, then go on.' },
);
