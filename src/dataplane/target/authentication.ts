import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { isLoopbackAddress } from '../../model/loopback.ts';
import {
  type AuthenticationMessage,
  frontend,
  md5Password,
  ScramClient,
  tlsServerEndPoint,
  WireError,
} from '../../wire/postgres/index.ts';
import { TargetError, where } from './errors.ts';
import type { TargetOptions } from './options.ts';

type Step =
  | { readonly name: 'start' }
  | { readonly name: 'answered' }
  | { readonly name: 'scram-first'; readonly client: ScramClient }
  | { readonly name: 'scram-final'; readonly client: ScramClient };

/** Our half of the login: what to answer to each of the server's questions, and which questions are not answered. */
export class Authentication {
  readonly #options: TargetOptions;
  readonly #socket: Socket;
  readonly #tls: TLSSocket | undefined;
  #step: Step = { name: 'start' };

  constructor(options: TargetOptions, socket: Socket, tls: TLSSocket | undefined) {
    this.#options = options;
    this.#socket = socket;
    this.#tls = tls;
  }

  /** Gives the frame to send, or undefined when there is nothing to say. Rejects with `TargetError` or `WireError`. */
  async answer(message: AuthenticationMessage): Promise<Buffer | undefined> {
    const step = this.#step;
    switch (message.method) {
      case 'ok':
        // A server that skips its own proof is not the server that knows the password.
        if (step.name === 'scram-first' || step.name === 'scram-final') throw this.#notProven();
        return undefined;
      case 'cleartext':
        this.#expect('start');
        if (!this.#tls && !isLocal(this.#socket, this.#options.address.host)) {
          throw this.#method(
            'asks for the password in clear text over a connection without TLS, which the gateway never does',
            'Set tls: verify-full for the connection, or let the server use scram-sha-256 (pg_hba.conf)',
          );
        }
        this.#step = { name: 'answered' };
        return frontend.password(this.#password());
      case 'md5':
        this.#expect('start');
        this.#step = { name: 'answered' };
        return frontend.password(md5Password(this.#options.user, this.#password(), message.salt));
      case 'sasl':
        this.#expect('start');
        return this.#beginScram(message.mechanisms);
      case 'sasl-continue': {
        if (step.name !== 'scram-first') throw this.#outOfOrder();
        const final = await step.client.final(message.data);
        this.#step = { name: 'scram-final', client: step.client };
        return frontend.saslResponse(final);
      }
      case 'sasl-final':
        if (step.name !== 'scram-final') throw this.#outOfOrder();
        this.#verify(step.client, message.data);
        this.#step = { name: 'answered' };
        return undefined;
      case 'other':
        throw this.#method(
          `asks for authentication method ${message.code} (Kerberos, GSSAPI or SSPI), which the gateway does not speak`,
          "Let pg_hba.conf use scram-sha-256 for the gateway's user",
        );
    }
  }

  #beginScram(mechanisms: readonly string[]): Buffer {
    const certificate = this.#tls?.getPeerX509Certificate();
    const binding = certificate && tlsServerEndPoint(certificate.raw);
    const plusOffered = mechanisms.includes('SCRAM-SHA-256-PLUS');
    const bound = binding !== undefined && plusOffered;
    if (!bound && !mechanisms.includes('SCRAM-SHA-256')) {
      throw this.#method(
        'offers no SASL mechanism that the gateway speaks',
        "Let pg_hba.conf use scram-sha-256 for the gateway's user",
      );
    }
    const client = new ScramClient({
      password: this.#password(),
      ...(binding === undefined ? {} : { channelBinding: binding }),
      plusOffered,
    });
    this.#step = { name: 'scram-first', client };
    return frontend.saslInitial(client.mechanism, client.first());
  }

  #verify(client: ScramClient, data: Buffer): void {
    try {
      client.verify(data);
    } catch (error) {
      if (error instanceof WireError && error.code === 'ERR_WIRE_SASL_REJECTED') throw this.#notProven(error);
      throw error;
    }
  }

  #password(): string {
    const password = this.#options.password?.();
    if (password === undefined) {
      throw this.#method(
        `asks for the password of "${this.#options.user}", and none is configured`,
        "Set the connection's credential (env, file, or stored)",
      );
    }
    return password;
  }

  #expect(name: Step['name']): void {
    if (this.#step.name !== name) throw this.#outOfOrder();
  }

  #outOfOrder(): TargetError {
    return new TargetError(
      'ERR_TARGET_PROTOCOL',
      `${where(this.#options.address)} asks for authentication out of order. The login was given up: check that it is a PostgreSQL server.`,
    );
  }

  #notProven(cause?: unknown): TargetError {
    return new TargetError(
      'ERR_TARGET_NOT_PROVEN',
      `${where(this.#options.address)} could not prove that it knows the password of "${this.#options.user}". It may not be your server: check the address, and use tls: verify-full.`,
      { cause },
    );
  }

  #method(what: string, next: string): TargetError {
    return new TargetError('ERR_TARGET_AUTHENTICATION_METHOD', `${where(this.#options.address)} ${what}. ${next}.`);
  }
}

/** Judged by the address that was really reached, not by the name that was asked for; a Unix socket has none. */
function isLocal(socket: Socket, host: string): boolean {
  if (host.startsWith('/')) return true;
  return isLoopbackAddress(socket.remoteAddress ?? '');
}
