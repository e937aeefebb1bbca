// Rules and users change twenty times while tunnels carry bytes: none is lost, and in the end no descriptor is left behind.

import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { hashPassword } from '../../../proxies/access/index.ts';
import { serveEcho, talk, type Talk } from '../access/scene.ts';
import { bytes, openSocks, request, until } from './scene.ts';

const tunnels = 50;
const reloads = 20;

const login = [1, 3, ...Buffer.from('bob'), 2, ...Buffer.from('pw')];
const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

t.test('reload under load', { skip: process.platform !== 'linux' && 'counts descriptors in /proc' }, async (t) => {
  const echo = await serveEcho();
  t.teardown(() => echo.close());
  const users = join(t.testdir({}), 'users.yaml');
  const line = `bob: "${await hashPassword('pw')}"\n`;
  await writeFile(users, line);
  const allow = [{ allow: { users: ['bob'], to: ['cluster'] } }];
  const scene = await openSocks(t, { users, rules: allow });
  const open = async (): Promise<Talk> => {
    const client = await talk(scene.port);
    client.write(bytes([5, 1, 2], login, request(1, '127.0.0.1', echo.port)));
    return client;
  };
  const pass = async (client: Talk, text: string): Promise<void> => {
    client.write(text);
    if ((await client.read(text.length)).toString() !== text) throw new Error('other bytes came back');
  };
  const first = await open();
  await first.read(14);
  const before = openDescriptors();
  const clients = await Promise.all(Array.from({ length: tunnels }, open));
  for (const client of clients) t.equal((await client.read(14))[5], 0);
  for (let i = 0; i < reloads; i++) {
    const isOpen = i % 2 === 1;
    scene.socks.reconfigure({ users, rules: isOpen ? allow : [] });
    await writeFile(users, isOpen ? line : `${line}# ${i}\n`);
    const newcomer = await open();
    t.equal((await newcomer.read(isOpen ? 14 : 6))[5], isOpen ? 0 : 2, 'who comes now is judged by what is now');
    newcomer.socket.destroy();
    await Promise.all(clients.map((client) => pass(client, `${i} and more`)));
  }
  for (const client of clients) {
    client.end('last');
    t.equal((await client.rest()).toString(), 'last');
  }
  await until(() => openDescriptors() <= before);
  t.ok(openDescriptors() <= before, 'no descriptor is left');
  first.socket.destroy();
});
