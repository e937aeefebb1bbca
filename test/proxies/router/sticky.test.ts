// Sessions that stay with a backend: Marathon-LB's cookie, and what becomes of it when the backend drains or goes.

import t from 'tap';
import { answering, get, openBackend, openScene } from './scene.ts';
import { cookieValue } from '../../../proxies/router/sticky-cookie.ts';

const sticky = {
  cookie: 'mesosphere_server_id',
  acceptsUrl: true,
  path: '/',
  httpOnly: true,
  secure: 'on-tls',
  sameSite: 'lax',
  whileDraining: true,
} as const;

t.test('one backend for a session, another where it is gone', async (t) => {
  const [one, two] = [await openBackend(t, answering('one')), await openBackend(t, answering('two'))];
  const scene = await openScene(t, [one.port, two.port]);
  scene.call({ sticky });
  const client = await scene.client();
  const value = cookieValue(`127_0_0_1_${one.port}`);
  for (let i = 0; i < 4; i++) {
    client.send(get('/', `Cookie: a=1; mesosphere_server_id=${value}; b=2`));
    const [answer] = await client.expect(/HTTP\/1\.1 200 [^]*one/);
    t.notMatch(answer, 'Set-Cookie');
  }
  t.equal(two.heads.length, 0);
  t.match(one.heads[0], /\r\nCookie: a=1; b=2\r\n/, 'backends do not see our cookie');

  client.send(get('/', `Cookie: mesosphere_server_id=http://127.0.0.1:${one.port}`));
  await client.expect(/HTTP\/1\.1 200 [^]*one/);
  t.notMatch(one.heads.at(-1), 'Cookie');

  client.send(get('/', 'Cookie: mesosphere_server_id=0000000000'));
  const [fresh = ''] = await client.expect(/HTTP\/1\.1 200 [^]*(one|two)/);
  t.match(
    fresh,
    /Set-Cookie: mesosphere_server_id=[0-9a-f]{10}; Path=\/; HttpOnly; SameSite=Lax\r\nCache-Control: private\r\n/,
  );

  scene.serve([two.port], [one.port]);
  client.send(get('/', `Cookie: mesosphere_server_id=${value}`));
  await client.expect(/HTTP\/1\.1 200 [^]*one/);
  scene.call({ sticky: { ...sticky, whileDraining: false } });
  client.send(get('/', `Cookie: mesosphere_server_id=${value}`));
  const [moved] = await client.expect(/HTTP\/1\.1 200 [^]*two/);
  t.match(moved, `Set-Cookie: mesosphere_server_id=${cookieValue(`127_0_0_1_${two.port}`)};`);
});

t.test('the value is Marathon-LB’s', (t) => {
  t.equal(cookieValue('10_0_6_25_16916'), '870853150d');
  t.end();
});

t.test('its backend refuses: another one, and a new cookie', async (t) => {
  const two = await openBackend(t, answering('two'));
  const gone = await openBackend(t, answering('gone'));
  const scene = await openScene(t, [gone.port, two.port]);
  scene.call({ sticky });
  await gone.stop();
  const client = await scene.client();
  client.send(get('/', `Cookie: mesosphere_server_id=${cookieValue(`127_0_0_1_${gone.port}`)}`));
  const [answer] = await client.expect(/HTTP\/1\.1 200 [^]*two/);
  t.match(answer, `Set-Cookie: mesosphere_server_id=${cookieValue(`127_0_0_1_${two.port}`)};`);
});
