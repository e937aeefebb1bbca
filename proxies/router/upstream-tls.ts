// TLS to backends: verified, unless labels say otherwise (specs/l7.md §4.3). One key for connections that are alike.

import { readFileSync } from 'node:fs';
import { isIP, Socket } from 'node:net';
import { connect, type ConnectionOptions } from 'node:tls';
import type { ServiceEntry } from './service-record.ts';

export interface UpstreamTls {
  readonly key: string;
  readonly dial: () => Socket;
  /** The same for HTTP/2. */
  readonly dialHttp2: () => Socket;
}

/** `host`: what the client asked for; a certificate must name it, or `serverName`. */
export function upstreamTls(rule: ServiceEntry['upstreamTls'], ip: string, port: number, host: string): UpstreamTls {
  const { insecure = false, ca, serverName = host } = rule ?? {};
  const name = serverName === '' ? ip : serverName;
  const options: ConnectionOptions = {
    host: ip,
    port,
    rejectUnauthorized: !insecure,
    ALPNProtocols: ['http/1.1'],
    ...(isIP(name) === 0 ? { servername: name } : {}),
  };
  return {
    key: `tls ${name} ${insecure ? 'unverified' : (ca ?? '')}`,
    dial: () => dial(options, ca, 'http/1.1'),
    dialHttp2: () => dial(options, ca, 'h2'),
  };
}

/** The authority is read where it is used: a file that is not there fails the connection, not the route. */
function dial(options: ConnectionOptions, ca: string | undefined, protocol: string): Socket {
  try {
    const agreed = { ...options, ALPNProtocols: [protocol] };
    return connect(ca === undefined ? agreed : { ...agreed, ca: readFileSync(ca) });
  } catch (error) {
    return new Socket().destroy(error as Error);
  }
}
