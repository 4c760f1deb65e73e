import type { CredentialStore, IdentityVerifier } from '../identity/index.ts';
import type { Address, ConnectionConfig } from '../model/config.ts';
import type { Principal } from '../model/principal.ts';
import type { Refusal } from '../model/refusal.ts';
import type { LiveSession, SessionDirectory } from '../model/session-directory.ts';
import type { AccessQuestion } from '../model/statement.ts';
import type { StatementAnalyser } from '../statement/sql/postgres/index.ts';
import { backend } from '../wire/postgres/index.ts';
import { authenticate } from './authenticate.ts';
import { ChannelEnded } from './byte-channel.ts';
import { CancelKeys } from './cancel-keys.ts';
import { parseSessionContext, SESSION_START_SQL } from './catalog/index.ts';
import { denialRefusal } from './consent.ts';
import { RefusalError, refusal } from './errors.ts';
import { type Arrival, PostgresListener, type TlsMaterial } from './listener.ts';
import { Planner } from './planner.ts';
import { askTarget } from './relay/postgres/ask-target.ts';
import { PostgresRelay } from './relay/postgres/relay.ts';
import type { Services } from './services.ts';
import { describePrincipal, Session, type SessionEnd } from './session.ts';
import { settingStatement, startupSettings } from './startup-settings.ts';
import { cancelTarget, connectTarget, type TargetOptions, type TargetSession, targetOptions } from './target/index.ts';
import type { World } from './world.ts';

/** Newest minor version of protocol 3 that is spoken. */
const PROTOCOL_MINOR = 2;
const MIB = 1024 * 1024;
/** Startup setting that never reaches the target: the reason shown to approvers. */
const PURPOSE = 'gatehouse.purpose';

export interface DataPlaneOptions {
  readonly services: Services;
  readonly identity: () => IdentityVerifier;
  readonly credentials: CredentialStore;
  readonly analyser: StatementAnalyser;
  readonly tls: () => TlsMaterial | undefined;
  readonly decoyKey: Buffer;
}

interface Running {
  readonly session: Session;
  readonly relay: PostgresRelay;
}

/** Serves clients: the only room that joins identity, policy, statement, masking, ledger and wire. */
export class DataPlane implements SessionDirectory {
  readonly #options: DataPlaneOptions;
  readonly #services: Services;
  readonly #planner: Planner;
  readonly #cancelKeys = new CancelKeys();
  readonly #listener: PostgresListener;
  readonly #running = new Map<string, Running>();
  readonly #perPrincipal = new Map<string, number>();
  #draining = false;

  constructor(options: DataPlaneOptions) {
    this.#options = options;
    this.#services = options.services;
    this.#planner = new Planner(options.analyser, options.services.sink);
    const { services } = options;
    this.#listener = new PostgresListener({
      tls: options.tls,
      maxConnections: () => services.config().limits.maxConnections,
      authenticationSeconds: () => services.config().limits.authenticationSeconds,
      log: services.log,
      metrics: services.metrics,
      serve: (arrival, authenticated) => this.#serve(arrival, authenticated),
      cancel: (processId, secret) => this.#cancelKeys.cancel(processId, secret),
    });
  }

  listen(address: Address): Promise<Address> {
    return this.#listener.listen(address);
  }

  list(): readonly LiveSession[] {
    return [...this.#running.values()].map(({ session, relay }) => ({
      id: session.id,
      principal: session.principal,
      connection: session.connection.name,
      client: session.application,
      sourceIp: session.client.address,
      startedAt: session.startedAt,
      state: relay.state,
      rows: session.rows,
      statements: session.statements,
    }));
  }

  async terminate(id: string, reason: string): Promise<boolean> {
    return this.#end(id, reason, 'killed');
  }

  /** Ends a session now. False when there is none with that id. */
  #end(id: string, reason: string, why: SessionEnd): boolean {
    const running = this.#running.get(id);
    if (!running) return false;
    running.relay.cancelTarget();
    running.relay.end(
      why,
      refusal('session-ended', `gatehouse: this session was ended: ${reason}`, { hint: 'Connect again if you may.' }),
    );
    return true;
  }

  /** Ends the sessions that were opened with a credential. */
  revoke(credentialId: string): void {
    for (const { session } of [...this.#running.values()]) {
      const { credential } = session.principal;
      if (credential.type === 'session' && credential.id === credentialId)
        this.#end(session.id, 'its credential was revoked', 'revoked');
    }
  }

  /** Consent was taken back: results that are shown by it end before their next row. */
  consentWithdrawn(request: string): void {
    for (const { relay } of this.#running.values()) relay.consentWithdrawn(request);
  }

  /** Stops accepting, lets transactions end, and ends what is left after `seconds`. */
  async drain(seconds: number): Promise<void> {
    this.#draining = true;
    this.#listener.close();
    for (const { relay } of [...this.#running.values()]) relay.drain();
    const deadline = this.#services.clock() + seconds * 1000;
    while (this.#running.size > 0 && this.#services.clock() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 20));
    for (const id of [...this.#running.keys()]) this.#end(id, 'the gateway is shutting down', 'shutdown');
    for (let turn = 0; this.#running.size > 0 && turn < 100; turn++)
      await new Promise((resolve) => setTimeout(resolve, 10));
  }

  // --- one client ---------------------------------------------------------------------------------------------------------

  async #serve(arrival: Arrival, authenticated: () => void): Promise<void> {
    const { startup } = arrival;
    const pqOptions = [...startup.parameters.keys()].filter((name) => name.startsWith('_pq_.'));
    if (startup.minor > PROTOCOL_MINOR || pqOptions.length > 0) {
      arrival.channel.socket.write(
        backend.negotiateProtocolVersion(Math.min(startup.minor, PROTOCOL_MINOR), pqOptions),
      );
    }
    if (
      startup.parameters.has('replication') &&
      !['false', 'off', 'no', '0'].includes(startup.parameters.get('replication') ?? '')
    ) {
      throw new RefusalError(
        refusal('protocol-unsupported', 'gatehouse: replication connections are not supported', { sqlstate: '0A000' }),
      );
    }
    const principal = await this.#authenticate(arrival);
    authenticated();
    const connection = await this.#connection(arrival, principal);
    try {
      await this.#session(arrival, principal, connection);
    } finally {
      this.#leave(principal);
    }
  }

  async #authenticate(arrival: Arrival): Promise<Principal> {
    const { services, credentials, decoyKey } = this.#options;
    const issuer = services.config().issuers[0];
    try {
      const { principal, method } = await authenticate(arrival, {
        identity: this.#options.identity(),
        credentials,
        decoyKey,
        clock: services.clock,
        oauth: issuer && {
          openidConfiguration: `${issuer.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`,
          scope: 'openid',
        },
      });
      await services.sink.append({
        kind: 'auth.logon',
        time: services.clock(),
        clear: { method, mfa: principal.mfa, tls: arrival.tls !== undefined },
        hidden: [
          services.sink.conceal('actor', describePrincipal(principal)),
          services.sink.conceal('src', { ip: arrival.address, port: arrival.port }),
        ],
      });
      services.metrics.count('logins_total', { door: 'postgres', result: 'ok' });
      return principal;
    } catch (error) {
      if (error instanceof RefusalError) await this.#recordRefusal(arrival, error.refusal);
      services.metrics.count('logins_total', { door: 'postgres', result: 'refused' });
      throw error;
    }
  }

  async #recordRefusal(arrival: Arrival, refused: Refusal, principal?: Principal): Promise<void> {
    const { sink, clock, log } = this.#services;
    log.info(
      { address: arrival.address, code: refused.code, principal: principal?.id, message: refused.message },
      'a connection was refused',
    );
    await sink.append({
      kind: 'auth.refused',
      time: clock(),
      clear: { code: refused.code, tls: arrival.tls !== undefined },
      hidden: [
        sink.conceal('src', { ip: arrival.address, port: arrival.port }),
        sink.conceal(
          'user',
          principal?.id ?? (arrival.startup.parameters.get('user') ?? '').slice(0, 200).toWellFormed(),
        ),
        sink.conceal('database', (arrival.startup.parameters.get('database') ?? '').slice(0, 200).toWellFormed()),
      ],
    });
  }

  /** The connection is chosen by the database name; policy says whether the principal may. Takes one of his places; the caller gives it back. */
  async #connection(arrival: Arrival, principal: Principal): Promise<ConnectionConfig> {
    const { parameters } = arrival.startup;
    const name = parameters.get('database') ?? parameters.get('user') ?? '';
    const refuse = async (refused: Refusal): Promise<never> => {
      await this.#recordRefusal(arrival, refused, principal);
      throw new RefusalError(refused);
    };
    if (this.#draining)
      return refuse(
        refusal('shutting-down', 'gatehouse: the gateway is shutting down', { hint: 'Connect again later.' }),
      );
    const connection = this.#services.config().connections.get(name);
    if (!connection) {
      return refuse(
        refusal('unknown-connection', `database "${name}" does not exist`, {
          detail: 'gatehouse: no connection of that name is configured.',
          hint: 'List what you may use with: gatehouse url',
        }),
      );
    }
    const question: AccessQuestion = { action: 'connect', resource: { type: 'Connection', connection: name } };
    const probe = new Session(this.#services, principal, connection, clientOf(arrival));
    const decision = this.#services
      .policy()
      .prepare(principal, [question])
      .decide(probe.context(undefined, 0), { streamsRows: false });
    if (decision.effect === 'refuse') return refuse({ ...denialRefusal(decision), sqlstate: '42501' });
    if (decision.effect === 'hold')
      return refuse(refusal('approval-required', `gatehouse: connecting needs consent: ${decision.reason}`));
    const limit = this.#services.config().limits.maxConnectionsPerPrincipal;
    if ((this.#perPrincipal.get(principal.id) ?? 0) >= limit) {
      return refuse(
        refusal('too-many-connections', `gatehouse: you have ${limit} connections open already`, {
          hint: 'Close some of them.',
        }),
      );
    }
    this.#enter(principal); // together with the check: many may log in at once
    return connection;
  }

  #enter(principal: Principal): void {
    this.#perPrincipal.set(principal.id, (this.#perPrincipal.get(principal.id) ?? 0) + 1);
  }

  #leave(principal: Principal): void {
    const left = (this.#perPrincipal.get(principal.id) ?? 1) - 1;
    if (left > 0) this.#perPrincipal.set(principal.id, left);
    else this.#perPrincipal.delete(principal.id);
  }

  async #session(arrival: Arrival, principal: Principal, connection: ConnectionConfig): Promise<void> {
    const services = this.#services;
    const session = new Session(services, principal, connection, clientOf(arrival));
    const world = await this.#world(connection);
    const settings = this.#settings(arrival, session, world);
    const password = await services.targetPassword(connection);
    const options = targetOptions(connection, password, Object.fromEntries(settings));
    const target = await this.#connect(options);
    let relay: PostgresRelay | undefined;
    const key = this.#cancelKeys.issue(
      { cancel: () => relay?.cancel() ?? Promise.resolve() },
      arrival.startup.minor >= 2 ? 32 : 4,
      target.backendKey?.pid,
    );
    try {
      const context = parseSessionContext(await askTarget(target, SESSION_START_SQL));
      const ended = await this.#recorded(session, async () => {
        const client = arrival.channel.socket;
        client.write(greeting(target, key));
        relay = new PostgresRelay({
          session,
          client,
          target,
          planner: this.#planner,
          context,
          early: arrival.channel.release(),
          limits: { statement: 64 * MIB, bind: 256 * MIB, copyData: 64 * MIB },
          cancelTarget: async () => {
            if (!target.backendKey) return;
            await cancelTarget(options, target.backendKey).catch((error: unknown) =>
              services.log.warn({ error }, 'a cancel request failed'),
            );
          },
          refreshCatalog: async (reason) => {
            await services.worlds.refresh(connection.name, reason);
          },
        });
        this.#running.set(session.id, { session, relay });
        services.metrics.gauge('sessions_open', this.#running.size);
        const stop = this.#endWhenExpired(session, principal);
        const reason = await relay.run();
        stop();
        return reason;
      });
      services.log.info(
        {
          session: session.id,
          principal: principal.id,
          reason: ended,
          rows: session.rows,
          statements: session.statements,
        },
        'session ended',
      );
    } finally {
      this.#cancelKeys.revoke(key);
      this.#running.delete(session.id);
      services.metrics.gauge('sessions_open', this.#running.size);
      target.socket.destroySoon();
    }
  }

  /** Who finds a start in the ledger finds an end. */
  async #recorded(session: Session, run: () => Promise<SessionEnd>): Promise<SessionEnd> {
    await session.recordStart();
    let ended: SessionEnd = 'internal-error';
    try {
      ended = await run();
      return ended;
    } catch (error) {
      if (error instanceof ChannelEnded) ended = 'client-closed'; // before anything was relayed
      throw error;
    } finally {
      await session.recordEnd(ended).catch(() => undefined);
    }
  }

  async #world(connection: ConnectionConfig): Promise<World> {
    try {
      return await this.#services.worlds.ready(connection);
    } catch (error) {
      this.#services.log.error({ connection: connection.name, error }, 'the catalog of a target cannot be read');
      throw new RefusalError(targetUnavailable(connection.name), { cause: error });
    }
  }

  async #connect(options: TargetOptions): Promise<TargetSession> {
    try {
      return await connectTarget(options);
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error);
      this.#services.log.error({ error: what, address: options.address }, 'a target cannot be reached');
      throw new RefusalError(targetUnavailable(options.database), { cause: error });
    }
  }

  /** Settings of the startup packet, each judged as the SET that it stands for. */
  #settings(arrival: Arrival, session: Session, world: World): Map<string, string> {
    const settings = startupSettings(arrival.startup.parameters);
    if ('code' in settings) throw new RefusalError(settings as Refusal);
    session.purpose = (settings.get(PURPOSE) ?? '').slice(0, 500).toWellFormed();
    settings.delete(PURPOSE);
    const view = session.view(world);
    for (const [name, value] of settings) {
      const planned = this.#planner.plan(
        {
          text: settingStatement(name, value),
          view,
          session: {
            searchPath: ['pg_catalog'],
            temporary: [],
            temporaryFunctions: [],
            currentUser: '',
            standardConformingStrings: true,
          },
          contextVersion: 0,
          objects: { prepared: () => undefined, cursor: () => undefined },
          principal: session.principal,
        },
        this.#services.policy(),
      );
      if ('refusal' in planned)
        throw new RefusalError({
          ...planned.refusal,
          message: `gatehouse: startup setting ${name}: ${planned.refusal.message}`,
        });
      for (const statement of planned.plan.statements) {
        const decision = statement.asker.decide(session.context(statement, 0), { streamsRows: false });
        if (decision.effect !== 'forward')
          throw new RefusalError(refusal('policy-denied', `gatehouse: startup setting ${name}: ${decision.reason}`));
      }
    }
    return settings;
  }

  #endWhenExpired(session: Session, principal: Principal): () => void {
    const check = () => {
      if (this.#services.clock() >= principal.expiresAt)
        this.#end(session.id, 'the identity it was opened with has expired', 'expired');
    };
    const timer = setInterval(check, 1_000);
    timer.unref();
    return () => clearInterval(timer);
  }
}

function clientOf(arrival: Arrival) {
  return {
    address: arrival.address,
    port: arrival.port,
    application: (arrival.startup.parameters.get('application_name') ?? '').slice(0, 200),
    tls: arrival.tls !== undefined,
  };
}

function targetUnavailable(name: string): Refusal {
  return refusal('target-unavailable', `gatehouse: the target of connection "${name}" cannot be reached`, {
    hint: 'Try again later; if it stays so, tell the operator of the gateway (the reason is in its log).',
  });
}

/** What a server says after authentication, with our own cancel key in the place of the target's. */
function greeting(target: TargetSession, key: { readonly processId: number; readonly secret: Buffer }): Buffer {
  return Buffer.concat([
    backend.authenticationOk(),
    ...[...target.parameters].map(([name, value]) => backend.parameterStatus(name, value)),
    backend.backendKeyData(key.processId, key.secret),
    backend.readyForQuery('I'),
  ]);
}
