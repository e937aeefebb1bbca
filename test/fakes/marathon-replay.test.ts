// A recorded Marathon: answers with what was recorded, and plays its events to whoever is attached.

import t from 'tap';
import { startMarathonReplay } from '../../src/fakes/index.ts';

t.test('documents are answered as recorded, what was not recorded is not found', async (t) => {
  const marathon = await startMarathonReplay({ apps: { apps: [{ id: '/웹' }] }, pods: [] });
  t.teardown(() => marathon.close());
  const apps = await fetch(`${marathon.url}/v2/apps?embed=apps.tasks`);
  t.equal(apps.headers.get('content-type'), 'application/json');
  t.same(await apps.json(), { apps: [{ id: '/웹' }] });
  t.same(await (await fetch(`${marathon.url}/v2/pods::status`)).json(), []);
  t.equal((await fetch(`${marathon.url}/v2/info`)).status, 404);
  t.equal((await fetch(`${marathon.url}/v2/events`)).status, 404);
  t.equal(marathon.reads('/v2/apps'), 1);
});

t.test('events are played byte for byte to all who are attached', async (t) => {
  const events = Buffer.from('event: a\r\ndata: {"x":"äöü"}\r\n\r\n\r\n'.repeat(40));
  const marathon = await startMarathonReplay({ events });
  t.teardown(() => marathon.close());
  const answers = await Promise.all([1, 2].map(() => fetch(`${marathon.url}/v2/events`)));
  t.equal(marathon.subscribers(), 2);
  await marathon.play();
  for (const answer of answers) {
    const pieces: Uint8Array[] = [];
    let length = 0;
    for await (const piece of (answer.body ?? []) as AsyncIterable<Uint8Array>) {
      pieces.push(piece);
      length += piece.length;
      if (length >= events.length) break;
    }
    t.same(Buffer.concat(pieces), events);
  }
});
