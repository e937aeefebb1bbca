// Every check a master makes before it answers, in its order, and what it answers to each call.
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { createFakeCluster, startFakeMasters } from '../../src/fakes/index.ts';
import { JSON_TYPE, call, json, request, subscribe } from './wire.ts';

function cluster() {
  const made = createFakeCluster();
  made.addAgent({ zone: 'a', attributes: { rack: 'r1' } });
  const framework = made.addFramework({ name: 'marathon' });
  made.running(made.launch({ framework, name: 'web.shop', taskId: 'one', ports: [{ name: 'http' }] }));
  return made;
}

void t.test('checks before the call', async (t) => {
  const masters = await startFakeMasters(cluster());
  t.teardown(() => masters.close());
  const api = `${masters.url()}/api/v1`;
  const post = (headers: Record<string, string>, body: string) => request(api, { method: 'POST', headers }, body);
  t.equal((await request(api)).status, 405);
  t.equal((await post({}, '{}')).status, 400, 'no content type');
  t.equal((await post({ 'content-type': 'application/json; charset=utf-8' }, '{"type":"GET_HEALTH"}')).status, 415);
  t.equal((await post(JSON_TYPE, '{nope')).status, 400);
  t.equal((await post(JSON_TYPE, '{}')).status, 400, 'no type');
  t.equal((await post(JSON_TYPE, '{"type":"GET_NOTHING"}')).status, 501);
  t.equal((await post({ ...JSON_TYPE, accept: 'application/recordio' }, '{"type":"SUBSCRIBE"}')).status, 406);
  t.equal((await post({ ...JSON_TYPE, accept: 'text/html, */*;q=0.1' }, '{"type":"GET_HEALTH"}')).status, 200);
  t.equal(
    (await request(`${masters.url()}/master/api/v1`, { method: 'POST', headers: JSON_TYPE }, '{"type":"GET_HEALTH"}'))
      .status,
    200,
  );
  t.equal((await request(`${masters.url()}/state.json`)).status, 404, '/state.json has gone since 1.7');
});

void t.test('order: rights, claims, leader, recovery, method', async (t) => {
  const masters = await startFakeMasters(cluster(), { count: 2 });
  t.teardown(() => masters.close());
  const faults = masters.faults(0);
  Object.assign(faults, { auth: { user: 'a', password: 'b' }, claimsWithoutValue: true, recovering: true });
  const denied = await request(`${masters.url(0)}/api/v1`);
  t.equal(denied.status, 401);
  t.equal(denied.headers['www-authenticate'], 'Basic realm="mesos-master-readwrite"');
  faults.auth = null;
  t.equal((await request(`${masters.url(0)}/api/v1`)).status, 403);
  faults.claimsWithoutValue = false;
  masters.lead(1);
  t.equal((await request(`${masters.url(0)}/api/v1`)).status, 307);
  masters.lead(0);
  const recovering = await request(`${masters.url(0)}/api/v1`);
  t.equal(recovering.status, 503);
  t.equal(recovering.body.toString(), 'Master has not finished recovery');
  faults.recovering = false;
  t.equal((await request(`${masters.url(0)}/api/v1`)).status, 405);
});

void t.test('redirects name the leader without a scheme', async (t) => {
  const masters = await startFakeMasters(cluster(), { count: 3, leader: 2 });
  t.teardown(() => masters.close());
  const [, , leader] = masters.addresses;
  const reply = await call(masters.url(0), 'GET_STATE');
  t.equal(reply.status, 307);
  t.equal(reply.headers.location, `//${String(leader)}/api/v1`);
  t.equal(reply.body.length, 0);
  t.equal((await request(`${masters.url(1)}/state?x=1`)).headers.location, `//${String(leader)}/state?x=1`);
  for (const path of ['/redirect', '/master/redirect']) {
    t.equal(
      (await request(masters.url(2) + path)).headers.location,
      `//${String(leader)}`,
      'the leader redirects to itself',
    );
  }
  t.equal((await request(`${masters.url(0)}/health`)).status, 200);
  masters.lead(null);
  for (const path of ['/redirect', '/state', '/api/v1']) {
    const lost = await request(masters.url(2) + path);
    t.equal(lost.status, 503);
    t.equal(lost.body.toString(), 'No leader elected');
  }
  t.equal((await request(`${masters.url(0)}/health`)).status, 200, 'health says nothing of leadership');
});

void t.test('rights on the readwrite realm alone', async (t) => {
  const masters = await startFakeMasters(cluster(), {
    faults: { auth: { user: 'edge', password: 'pw', realm: 'readwrite' } },
  });
  t.teardown(() => masters.close());
  const basic = `Basic ${Buffer.from('edge:pw').toString('base64')}`;
  t.equal((await call(masters.url(), 'GET_STATE')).status, 401);
  t.equal((await request(`${masters.url()}/state`)).status, 200, 'polling works');
  t.equal((await call(masters.url(), 'GET_STATE', { authorization: basic })).status, 200);
  masters.faults().auth = { token: 'abc', realm: 'all' };
  const denied = await request(`${masters.url()}/state`);
  t.equal(denied.status, 401);
  t.equal(denied.headers['www-authenticate'], 'oauthjwt');
  t.equal((await request(`${masters.url()}/state`, { headers: { authorization: 'token=abc' } })).status, 200);
});

void t.test('whole answers', async (t) => {
  const source = cluster();
  const masters = await startFakeMasters(source, { version: '1.9' });
  t.teardown(() => masters.close());
  const answer = async (type: string) =>
    JSON.parse((await call(masters.url(), type)).body.toString()) as Record<string, unknown>;
  t.match(await answer('GET_MASTER'), { get_master: { master_info: { id: source.masterId } } });
  t.match(await answer('GET_VERSION'), { get_version: { version_info: { version: '1.9.0' } } });
  t.match(await answer('GET_HEALTH'), { type: 'GET_HEALTH', get_health: { healthy: true } });
  t.match(await answer('GET_FLAGS'), { get_flags: { flags: [{ name: 'agent_ping_timeout' }] } });
  t.match(await answer('GET_TASKS'), { get_tasks: { tasks: [{ task_id: { value: 'one' } }] } });
  t.match(await answer('GET_AGENTS'), { get_agents: { agents: [{ agent_info: { hostname: '10.0.1.11' } }] } });
  t.match(await answer('GET_FRAMEWORKS'), {
    get_frameworks: { frameworks: [{ framework_info: { name: 'marathon' } }] },
  });
  t.same((await answer('GET_EXECUTORS'))['get_executors'], {}, 'an empty section is {} before 1.10');
  const state = await answer('GET_STATE');
  t.equal(Object.keys(state).at(-1), 'type', 'keys are sorted before 1.10');
});

void t.test('compression of whole bodies from 1,024 bytes, when asked', async (t) => {
  const masters = await startFakeMasters(cluster());
  t.teardown(() => masters.close());
  const zipped = await call(masters.url(), 'GET_STATE', { 'accept-encoding': 'gzip' });
  t.equal(zipped.headers['content-encoding'], 'gzip');
  t.match(JSON.parse(gunzipSync(zipped.body).toString()), { type: 'GET_STATE' });
  t.equal((await call(masters.url(), 'GET_STATE')).headers['content-encoding'], undefined);
  t.equal(
    (await call(masters.url(), 'GET_HEALTH', { 'accept-encoding': 'gzip' })).headers['content-encoding'],
    undefined,
  );
  const stream = await subscribe(masters.url(), { 'accept-encoding': 'gzip' });
  t.equal(stream.headers['content-encoding'], undefined, 'never the stream');
  stream.close();
});

void t.test('v0 and v1 tell the same', async (t) => {
  const source = cluster();
  const masters = await startFakeMasters(source);
  t.teardown(() => masters.close());
  const { json: state } = await json(`${masters.url()}/master/state`);
  t.match(state, {
    id: source.masterId,
    leader: `master@${String(masters.addresses[0])}`,
    slaves: [
      { hostname: '10.0.1.11', attributes: { rack: 'r1' }, pid: 'slave(1)@10.0.1.11:5051', resources: { cpus: 16 } },
    ],
    frameworks: [
      {
        name: 'marathon',
        tasks: [
          {
            id: 'one',
            executor_id: '',
            slave_id: `${source.masterId}-S0`,
            state: 'TASK_RUNNING',
            resources: { ports: '[31000-31000]' },
          },
        ],
        unreachable_tasks: [],
        completed_tasks: [],
      },
    ],
    orphan_tasks: [],
  });
  const jsonp = await request(`${masters.url()}/state?jsonp=show`);
  t.match(jsonp.body.toString(), /^show\(\{.*\}\);$/s);
});

void t.test('pages of a proxy in between', async (t) => {
  const masters = await startFakeMasters(cluster());
  t.teardown(() => masters.close());
  masters.faults().page = 'html-200';
  const page = await call(masters.url(), 'SUBSCRIBE');
  t.equal(page.status, 200);
  t.match(page.headers['content-type'], 'text/html');
  masters.faults().page = 'html-502';
  t.equal((await call(masters.url(), 'GET_STATE')).status, 502);
});
