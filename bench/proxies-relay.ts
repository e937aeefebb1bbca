// The least that a relay on `net` does: accepts, connects to one port, joins both byte for byte. What it costs beyond others is Node's, not ours.
// Arguments: own port, target's port.

import { connect, createServer } from 'node:net';

const [own = 0, target = 0] = process.argv.slice(2).map(Number);

createServer({ allowHalfOpen: true, noDelay: true }, (downstream) => {
  const upstream = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  downstream.on('error', () => upstream.destroy());
  upstream.on('error', () => downstream.destroy());
  downstream.pipe(upstream);
  upstream.pipe(downstream);
}).listen(own, '127.0.0.1');
