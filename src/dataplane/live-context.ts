import type { AccessContext } from '../model/access.ts';
import type { PlannedStatement } from './plan.ts';
import { localTime, type Session } from './session.ts';

/**
 * What policies may look at, at one moment of a session. Asked for several times per statement, while most policies look at one or two
 * attributes: so what takes a look elsewhere is read when it is asked for. Not to be kept.
 */
export class LiveContext implements AccessContext {
  readonly approved: boolean;
  readonly routine = false;
  readonly rows: number;
  readonly rowsSession: number;
  readonly sourceIp: string;
  readonly client: string;
  readonly verb?: string;
  readonly hasWhere?: boolean;
  readonly allRows?: boolean;
  readonly object?: string;
  readonly privileges?: boolean;
  readonly purpose?: string;
  readonly #session: Session;
  readonly #now: number;
  #budget: { readonly hour: number; readonly day: number } | undefined;

  constructor(session: Session, planned: PlannedStatement | undefined, rows: number, approved: boolean) {
    this.#session = session;
    this.#now = session.services.clock();
    this.approved = approved;
    this.rows = rows;
    this.rowsSession = session.rows;
    this.sourceIp = session.client.address;
    this.client = session.application;
    if (planned) Object.assign(this, planned.circumstances);
    if (session.purpose !== '') this.purpose = session.purpose;
  }

  get rowsHour(): number {
    return this.#rowsTaken().hour;
  }

  get rowsDay(): number {
    return this.#rowsTaken().day;
  }

  get hour(): number {
    return localTime(this.#now, this.#session.services.config().timeZone).hour;
  }

  get weekday(): number {
    return localTime(this.#now, this.#session.services.config().timeZone).weekday;
  }

  #rowsTaken(): { readonly hour: number; readonly day: number } {
    this.#budget ??= this.#session.services.rows.current(this.#session.principal.id, this.#now);
    return this.#budget;
  }
}
