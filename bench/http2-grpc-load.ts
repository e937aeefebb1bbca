// The streaming load of bench/http2-grpc, a program of its own: `PORT CONNECTIONS STREAMS SECONDS MOST`. On each stream a message is sent,
// and the next when it has come back. Prints how many came.

import { once } from 'node:events';
import { connect, type ClientHttp2Session } from 'node:http2';
import { host } from './router-peers.ts';

const [port = 0, connections = 1, streams = 1, seconds = 1, most = 0] = process.argv.slice(2).map(Number);
const message = Buffer.concat([Buffer.from([0, 0, 0, 0, 32]), Buffer.alloc(32, 'x')]);
const counts = { messages: 0, failures: 0 };
const endAt = performance.now() + seconds * 1000;

async function open(): Promise<ClientHttp2Session> {
  // The certificate is of this run alone.
  const session = connect(`https://127.0.0.1:${port}`, { servername: host, rejectUnauthorized: false });
  await once(session, 'remoteSettings');
  return session;
}

function talk(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve) => {
    const stream = session.request(
      {
        ':method': 'POST',
        ':path': '/bench.Echo/Talk',
        ':authority': host,
        'content-type': 'application/grpc',
        te: 'trailers',
      },
      { endStream: false },
    );
    let octets = 0;
    let status = '';
    stream.on('data', (chunk: Buffer) => {
      octets += chunk.length;
      if (octets < message.length) return;
      octets -= message.length;
      counts.messages++;
      if (performance.now() < endAt && counts.messages < most) stream.write(message);
      else stream.end();
    });
    stream.on('trailers', (trailers) => (status = String(trailers['grpc-status'])));
    stream.on('error', () => undefined);
    stream.once('close', () => {
      if (status !== '0') counts.failures++;
      resolve();
    });
    stream.write(message);
  });
}

const sessions = await Promise.all(Array.from({ length: connections }, open));
await Promise.all(sessions.flatMap((session) => Array.from({ length: streams }, () => talk(session))));
process.stdout.write(JSON.stringify(counts));
process.exit(0);
