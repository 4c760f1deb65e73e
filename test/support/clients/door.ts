/** Where a client connects and as whom: the server itself, or the gateway. */
export interface Door {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

/** The door in the environment of everything that is built on libpq. https://www.postgresql.org/docs/18/libpq-envars.html */
export function doorEnvironment(door: Door): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    HOME: '/nonexistent',
    LC_ALL: 'C.UTF-8',
    TZ: 'UTC',
    PGHOST: door.host,
    PGPORT: `${door.port}`,
    PGUSER: door.user,
    PGPASSWORD: door.password,
    PGDATABASE: door.database,
    PGSSLMODE: 'disable',
    PGGSSENCMODE: 'disable',
    PGCONNECT_TIMEOUT: '30',
  };
}
