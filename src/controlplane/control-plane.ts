import type { AddressInfo } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import type { Address } from '../model/config.ts';
import type { ControlPlaneOptions } from './ports.ts';
import { buildServer, type RouteFacts, type Server } from './server.ts';

export interface ControlPlane {
  /** Starts to listen; gives the address in use, with the real port where 0 was asked for. */
  listen(address: Address): Promise<Address>;
  /** New certificate and key (PEM) for connections from now on; does nothing on a listener without TLS. */
  renewTls(tls: { readonly cert: string | Buffer; readonly key: string | Buffer }): void;
  /** Stops to listen and ends open connections. Resolves when nothing is answered any more. */
  close(): Promise<void>;
  /** Every route with what it asks of its caller. */
  routes(): Promise<readonly RouteFacts[]>;
  /** The server itself, for tests that need no socket. */
  readonly server: Server;
}

/** The HTTP API for people, approvers and operators. Knows no room but by its port. */
export function createControlPlane(options: ControlPlaneOptions): ControlPlane {
  const { server, routes } = buildServer(options);
  return {
    server,
    async listen({ host, port }) {
      await server.listen({ host, port });
      const bound = server.server.address() as AddressInfo;
      return { host: bound.address, port: bound.port };
    },
    renewTls({ cert, key }) {
      if (server.server instanceof TlsServer) server.server.setSecureContext({ cert, key, minVersion: 'TLSv1.2' });
    },
    close: () => server.close(),
    async routes() {
      await server.ready();
      return routes;
    },
  };
}
