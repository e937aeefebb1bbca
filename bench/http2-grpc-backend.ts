// The back end of bench/http2-grpc: HTTP/2 in the clear on `PORT`, sends each message back as it comes and ends with grpc-status 0.

import { createServer, type ServerHttp2Stream } from 'node:http2';

const server = createServer();
server.on('stream', (stream: ServerHttp2Stream) => {
  stream.on('error', () => undefined);
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.pipe(stream);
});
server.on('sessionError', () => undefined);
server.listen(Number(process.argv[2]), '127.0.0.1');
