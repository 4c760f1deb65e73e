/** The variables that the command reads; all are optional. */
export interface Environment {
  /** Control address of the gateway. */
  readonly GATEHOUSE_URL?: string;
  /** A token of the identity provider, or a session credential `gs_….gsk_…`. */
  readonly GATEHOUSE_TOKEN?: string;
  readonly XDG_STATE_HOME?: string;
  readonly BROWSER?: string;
  readonly PGAPPNAME?: string;
  /** PEM file of the authority behind the gateway's certificate. */
  readonly PGSSLROOTCERT?: string;
  /** Anything: stack traces are shown. */
  readonly DEBUG?: string;
}

export const environment: Environment = process.env as Environment;
