// Load for bench/tls, a program of its own on the load's core: TLS connections that ask one small request each, or many. Prints one line
// RESULT. Arguments: one JSON text of `TlsLoad`.

import { connect } from 'node:tls';

export interface TlsLoad {
  readonly port: number;
  readonly host: string;
  readonly callers: number;
  /** Requests on a connection before it is closed; 0: no end. */
  readonly requests: number;
  /** Offer the session of the connection before. */
  readonly resumes: boolean;
  /** As OpenSSL names them: decides between RSA and ECDSA. */
  readonly signatures: string;
  readonly seconds: number;
  /** Ends with as many connections or requests, if sooner. */
  readonly most: number;
}

export interface TlsLoadResult {
  readonly handshakes: number;
  readonly resumed: number;
  readonly requests: number;
  readonly failures: number;
}

const load = JSON.parse(process.argv[2] ?? '{}') as TlsLoad;
const endAt = performance.now() + load.seconds * 1000;
const request = `GET / HTTP/1.1\r\nHost: ${load.host}\r\n\r\n`;
const counts = { handshakes: 0, resumed: 0, requests: 0, failures: 0 };
/** Of the last connection that brought one: Node's servers send none with a resumed handshake. */
let session: Buffer | null = null;

const isOver = (): boolean => performance.now() >= endAt || counts.requests >= load.most;

/** One connection after another. */
async function call(): Promise<void> {
  while (!isOver()) await one().catch(() => counts.failures++);
}

function one(): Promise<void> {
  return new Promise((resolve, reject) => {
    const offered = load.resumes ? session : null;
    const socket = connect({
      port: load.port,
      host: '127.0.0.1',
      servername: load.host,
      rejectUnauthorized: false,
      // What all of the servers speak: the same work for each.
      ciphers: 'TLS_AES_128_GCM_SHA256',
      ecdhCurve: 'X25519',
      sigalgs: load.signatures,
      ...(offered === null ? {} : { session: offered }),
    });
    let left = load.requests === 0 ? Infinity : load.requests;
    let text = '';
    socket.setNoDelay(true);
    socket.on('session', (ticket) => void (session = ticket));
    socket.once('secureConnect', () => {
      counts.handshakes++;
      if (socket.isSessionReused()) counts.resumed++;
      socket.write(request);
    });
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      // 66 bytes of body, which no server sends in chunks.
      const head = text.indexOf('\r\n\r\n');
      if (head < 0 || text.length < head + 4 + 66) return;
      if (!text.startsWith('HTTP/1.1 200')) counts.failures++;
      counts.requests++;
      text = '';
      if (--left > 0 && !isOver()) socket.write(request);
      else socket.end();
    });
    socket.once('error', reject);
    socket.once('close', () => resolve());
  });
}

await Promise.all(Array.from({ length: load.callers }, call));
process.stdout.write(`RESULT ${JSON.stringify(counts satisfies TlsLoadResult)}\n`);
process.exit(0);
