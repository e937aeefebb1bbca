// A check of a backend that speaks HTTP/2 alone: one request on a connection of its own.

import { connect, type ClientHttp2Session, type OutgoingHttpHeaders } from 'node:http2';

export interface Http2Look {
  /** Host and port, or the name in Host; an address of version 6 in brackets. */
  readonly authority: string;
  readonly ip: string;
  readonly port: number;
  /** Over TLS, whose certificate is not verified; null: without, by prior knowledge. `servername` '': none is sent. */
  readonly tls: { readonly servername: string } | null;
  readonly method: string;
  readonly path: string;
  /** Those that belong to a connection do not go along. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Fields that HTTP/2 does not have (RFC 9113 §8.2.2), and Host, which `:authority` is. */
const notSent = /^(?:connection|host|keep-alive|proxy-connection|te|transfer-encoding|upgrade)$/;

/** Tells the status or what went wrong, perhaps both; the first counts. Returns how to end it. Throws where a field cannot be written. */
export function lookByHttp2(
  look: Http2Look,
  onStatus: (status: number) => void,
  onError: (error: Error) => void,
): () => void {
  const { tls, method, path } = look;
  const session = open(look, onError);
  try {
    const pseudo = { ':method': method, ':path': path, ':authority': look.authority };
    const headers: OutgoingHttpHeaders = { ...pseudo, ':scheme': tls === null ? 'http' : 'https' };
    for (const [name, value] of Object.entries(look.headers))
      if (!notSent.test(name.toLowerCase())) headers[name.toLowerCase()] = value;
    const stream = session.request(headers, { endStream: true });
    stream.on('response', ({ ':status': status = 0 }) => onStatus(status));
    // Of a connection that has failed, the stream is told first.
    stream.on('error', (error) => onError(error.cause instanceof Error ? error.cause : error));
    stream.resume();
  } catch (error) {
    session.destroy();
    throw error;
  }
  return () => session.destroy();
}

function open({ ip, port, tls }: Http2Look, onError: (error: Error) => void): ClientHttp2Session {
  const host = ip.includes(':') ? `[${ip}]` : ip;
  const servername = tls === null || tls.servername === '' ? {} : { servername: tls.servername };
  const session =
    tls === null
      ? connect(`http://${host}:${port}`)
      : connect(`https://${host}:${port}`, { rejectUnauthorized: false, ...servername });
  session.on('error', onError);
  session.on('close', () => onError(new Error('it closed the connection without an answer')));
  return session;
}
