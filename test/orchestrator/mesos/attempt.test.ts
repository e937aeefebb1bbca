// One attempt on a master: where it goes, what it takes along, and what it makes of each answer.

import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { createCredentials, tlsFields } from '../../../src/orchestrator/credentials.ts';
import { attempt, below, type AttemptOptions, type Outcome } from '../../../src/orchestrator/mesos/attempt.ts';
import { race } from '../../../src/orchestrator/mesos/race.ts';
import { systemClock } from '../../../src/runtime/index.ts';

interface Master {
  readonly url: URL;
  readonly asked: { readonly path: string; readonly headers: IncomingHttpHeaders }[];
}

async function master(test: Test, answer: (response: ServerResponse, turn: number) => void): Promise<Master> {
  const asked: Master['asked'] = [];
  const server = createServer((request, response) => {
    asked.push({ path: request.url ?? '', headers: request.headers });
    request.resume();
    answer(response, asked.length);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  test.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`), asked };
}

const json = (response: ServerResponse): void =>
  void response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
const to = (url: URL | string) => (response: ServerResponse) =>
  void response.writeHead(307, { location: typeof url === 'string' ? url : `//${url.host}/api/v1` }).end();

const question = { method: 'POST', path: '/api/v1', body: '{"type":"SUBSCRIBE"}' } as const;
const options = (masters: readonly URL[], more: Partial<AttemptOptions> = {}): AttemptOptions => ({
  masters,
  credentials: createCredentials({ basic: { user: 'u', password: 'p' } }),
  tls: tlsFields(undefined),
  clock: systemClock,
  connectMs: 1000,
  firstByteMs: 1000,
  ...more,
});
const ask = async (url: URL, masters: readonly URL[], more?: Partial<AttemptOptions>): Promise<Outcome> => {
  const outcome = await attempt(url, question, options(masters, more), new AbortController().signal);
  if (outcome.kind === 'open') outcome.response.destroy();
  return outcome;
};

t.test('credentials go to masters of the configuration alone', async (t) => {
  const stranger = await master(t, json);
  const known = await master(t, to(stranger.url));
  const outcome = await ask(known.url, [known.url]);
  t.match(outcome, { kind: 'open', url: new URL('/api/v1', stranger.url) });
  t.match(known.asked, [
    { path: '/api/v1', headers: { authorization: 'Basic dTpw', 'content-type': 'application/json' } },
  ]);
  t.equal(stranger.asked[0]?.headers.authorization, undefined);
  await ask(known.url, [known.url, stranger.url]);
  t.equal(stranger.asked[1]?.headers.authorization, 'Basic dTpw');
});

t.test('a redirect in a circle, to another scheme, or without an end means that nobody leads', async (t) => {
  const circle: Master = await master(t, (response) => to(circle.url)(response));
  t.match(await ask(circle.url, []), { kind: 'refused', why: 'no-leader', reason: /circle/ });
  const other = await master(t, to('https://127.0.0.1:1/api/v1'));
  t.match(await ask(other.url, []), { kind: 'refused', why: 'garbage', reason: /nowhere/ });
  const endless: Master = await master(t, (response, turn) => to(`${endless.url.origin}/api/v1?${turn}`)(response));
  t.match(await ask(endless.url, []), { kind: 'refused', why: 'no-leader', reason: /more than 3/ });
  t.equal(endless.asked.length, 4);
});

for (const [status, type, why] of [
  [401, 'text/html', 'denied'],
  [403, 'text/html', 'denied'],
  [404, 'text/plain', 'unsupported'],
  [405, 'text/plain', 'unsupported'],
  [501, 'text/plain', 'unsupported'],
  [503, 'text/plain', 'no-leader'],
  [502, 'text/html', 'garbage'],
  [200, 'text/html', 'garbage'],
] as const) {
  t.test(`${status} ${type} is ${why}`, async (t) => {
    const { url } = await master(
      t,
      (response) => void response.writeHead(status, { 'content-type': type }).end('<html>'),
    );
    t.match(await ask(url, []), { kind: 'refused', why, reason: new RegExp(url.host) });
  });
}

t.test('a master that does not answer is left in time', async (t) => {
  const { url } = await master(t, () => undefined);
  t.match(await ask(url, [], { firstByteMs: 30 }), { kind: 'refused', why: 'unreachable', reason: /in time/ });
});

t.test('new credentials are tried once after 401', async (t) => {
  let renewed = false;
  const credentials = {
    authorization: () => Promise.resolve(renewed ? 'token=new' : 'token=old'),
    renew: () => Promise.resolve((renewed = true)),
  };
  const { url, asked } = await master(t, (response, turn) =>
    turn === 1 ? void response.writeHead(401).end() : json(response),
  );
  t.match(await ask(url, [url], { credentials }), { kind: 'open' });
  t.same(
    asked.map((one) => one.headers.authorization),
    ['token=old', 'token=new'],
  );
});

t.test('the path of a gateway is kept', async (t) => {
  t.equal(below(new URL('https://dcos/mesos/'), '/api/v1').href, 'https://dcos/mesos/api/v1');
  t.equal(below(new URL('http://10.0.0.1:5050'), '/state').href, 'http://10.0.0.1:5050/state');
});

t.test('the race: a silent master costs no more than the stagger, and the leader is subscribed to once', async (t) => {
  const silent = await master(t, () => undefined);
  const leader = await master(t, json);
  const followers = [await master(t, to(leader.url)), await master(t, to(leader.url))];
  const urls = [silent.url, ...followers.map((one) => one.url), leader.url];
  const outcome = await race(
    urls,
    (url, signal, claim) => attempt(url, question, options([]), signal, claim),
    { clock: systemClock, staggerMs: 10 },
    new AbortController().signal,
  );
  t.match(outcome, { kind: 'open', url: new URL('/api/v1', leader.url) });
  t.equal(leader.asked.length, 1);
  if (outcome.kind === 'open') outcome.response.destroy();
});

t.test('the race: what is told is what says most', async (t) => {
  const gone = new URL('http://127.0.0.1:1');
  const undecided = await master(t, (response) => void response.writeHead(503).end());
  const outcome = await race(
    [gone, undecided.url],
    (url, signal, claim) => attempt(url, question, options([]), signal, claim),
    { clock: systemClock, staggerMs: 10 },
    new AbortController().signal,
  );
  t.match(outcome, { kind: 'refused', why: 'no-leader', reason: /ECONNREFUSED.*503|503.*ECONNREFUSED/ });
});
