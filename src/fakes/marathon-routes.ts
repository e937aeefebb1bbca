// Marathon's API on the leader: which request reads or changes what.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AppDefinition } from './marathon-app.ts';
import { absoluteId } from './marathon-app.ts';
import type { MarathonActions } from './marathon-actions.ts';
import { MarathonRefusal } from './marathon-actions.ts';
import type { MarathonCore } from './marathon-core.ts';
import type { PodDefinition } from './marathon-pod.ts';
import type { MarathonReads } from './marathon-reads.ts';
import type { Deployment, RunRecord } from './marathon-records.ts';
import { versionOf } from './marathon-records.ts';
import { sendText } from './response-body.ts';

interface RouteContext {
  readonly core: MarathonCore;
  readonly actions: MarathonActions;
  readonly reads: MarathonReads;
  info(): Record<string, unknown>;
}

interface Call extends RouteContext {
  readonly request: IncomingMessage;
  readonly url: URL;
  // The path's captured part.
  readonly id: string;
  readonly task: string;
  readonly body: unknown;
}

interface Answer {
  readonly status: number;
  readonly json?: unknown;
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

type Handler = (call: Call) => Answer;

const ROUTES: readonly (readonly [string, RegExp, Handler])[] = [
  ['GET', /^\/v2\/info$/, (call) => ok(call.info())],
  ['GET', /^\/v2\/apps$/, listApps],
  ['POST', /^\/v2\/apps$/, createApp],
  ['PUT', /^\/v2\/apps$/, putApps],
  ['PATCH', /^\/v2\/apps$/, putApps],
  ['GET', /^\/v2\/apps\/(?<id>.+)\/tasks$/, appTasks],
  ['DELETE', /^\/v2\/apps\/(?<id>.+)\/tasks$/, killAppTasks],
  ['DELETE', /^\/v2\/apps\/(?<id>.+)\/tasks\/(?<task>[^/]+)$/, killAppTasks],
  ['GET', /^\/v2\/apps\/(?<id>.+)\/versions$/, (call) => ok({ versions: [...recordOf(call).versions].reverse() })],
  ['POST', /^\/v2\/apps\/(?<id>.+)\/restart$/, (call) => deployed(call.actions.restart(call.id, force(call)))],
  ['GET', /^\/v2\/apps\/(?<id>.+)$/, oneApp],
  ['PUT', /^\/v2\/apps\/(?<id>.+)$/, updateApp],
  ['PATCH', /^\/v2\/apps\/(?<id>.+)$/, updateApp],
  ['DELETE', /^\/v2\/apps\/(?<id>.+)$/, removeApp],
  ['GET', /^\/v2\/tasks$/, listTasks],
  ['POST', /^\/v2\/tasks\/delete$/, killTasks],
  ['DELETE', /^\/v2\/tasks$/, killTasks],
  [
    'GET',
    /^\/v2\/deployments$/,
    (call) => ok([...call.actions.deployments.values()].map((each) => call.reads.deploymentJson(each))),
  ],
  ['DELETE', /^\/v2\/deployments\/(?<id>.+)$/, cancelDeployment],
  ['GET', /^\/v2\/queue$/, (call) => ok({ queue: call.reads.queue() })],
  ['DELETE', /^\/v2\/queue\/(?<id>.+)\/delay$/, resetDelay],
  ['GET', /^\/v2\/pods\/?::status$/, podStatuses],
  ['GET', /^\/v2\/pods$/, (call) => ok(call.reads.pods().map(({ pod }) => pod))],
  ['POST', /^\/v2\/pods$/, createPod],
  ['GET', /^\/v2\/pods\/(?<id>.+)::status$/, onePodStatus],
  ['GET', /^\/v2\/pods\/(?<id>.+)$/, (call) => ok(podRecord(call).pod)],
  ['PUT', /^\/v2\/pods\/(?<id>.+)$/, updatePod],
  ['DELETE', /^\/v2\/pods\/(?<id>.+)$/, removePod],
  [
    'GET',
    /^\/v2\/groups$/,
    (call) => ok({ id: '/', apps: call.reads.apps().map(({ app }) => app), groups: [], pods: [] }),
  ],
];

export async function route(context: RouteContext, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://marathon');
  const path = url.pathname.length > 1 ? url.pathname.replace(/\/+$/, '') : url.pathname;
  const answer = await answerOf(context, request, url, path);
  for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value);
  if (answer.text !== undefined) sendText(request, response, answer.status, 'text/plain', answer.text);
  else
    sendText(
      request,
      response,
      answer.status,
      'application/json',
      answer.json === undefined ? '' : JSON.stringify(answer.json),
    );
}

async function answerOf(context: RouteContext, request: IncomingMessage, url: URL, path: string): Promise<Answer> {
  const method = request.method === 'HEAD' ? 'GET' : (request.method ?? 'GET');
  const fitting = ROUTES.filter(([, pattern]) => pattern.test(path));
  const found = fitting.find(([verb]) => verb === method);
  if (found === undefined)
    return {
      status: fitting.length === 0 ? 404 : 405,
      json: { message: fitting.length === 0 ? 'Not found' : 'Method not allowed' },
    };
  const [, pattern, handler] = found;
  const groups = pattern.exec(path)?.groups ?? {};
  const id = absoluteId(decodeURIComponent(groups['id'] ?? ''));
  try {
    const body = await bodyOf(request);
    return handler({ ...context, request, url, id, task: decodeURIComponent(groups['task'] ?? ''), body });
  } catch (error) {
    if (error instanceof MarathonRefusal) return { status: error.status, json: error.body };
    throw error;
  }
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  if (pieces.length === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(pieces).toString('utf8'));
  } catch (error) {
    throw new MarathonRefusal(400, { message: 'Invalid JSON', details: [error instanceof Error ? error.message : ''] });
  }
}

function ok(json: unknown): Answer {
  return { status: 200, json };
}

function deployed({ id, version }: Deployment, status = 200): Answer {
  return { status, json: { version, deploymentId: id }, headers: { 'marathon-deployment-id': id } };
}

function flag(call: Call, name: string): boolean {
  return call.url.searchParams.get(name) === 'true';
}

function force(call: Call): { readonly force: boolean } {
  return { force: flag(call, 'force') };
}

function recordOf(call: Call): RunRecord {
  const record = call.core.records.get(call.id);
  if (record?.app === undefined) throw new MarathonRefusal(404, { message: `App '${call.id}' does not exist` });
  return record;
}

function podRecord(call: Call): RunRecord {
  const record = call.core.records.get(call.id);
  if (record?.pod === undefined) throw new MarathonRefusal(404, { message: `Pod '${call.id}' does not exist` });
  return record;
}

function object(body: unknown): AppDefinition {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new MarathonRefusal(400, { message: 'Invalid JSON' });
  return body as AppDefinition;
}

function tellPost(call: Call, definition: AppDefinition): void {
  call.core.hub.emit('api_post_event', {
    clientIp: call.request.socket.remoteAddress ?? '',
    uri: call.url.pathname,
    appDefinition: definition,
  });
}

function embedsOf(call: Call): ReadonlySet<string> {
  return new Set(call.url.searchParams.getAll('embed'));
}

// label=key==value, key!=value or key, several with commas.
function matchesLabels(labels: Readonly<Record<string, string>>, selector: string): boolean {
  return selector.split(',').every((term) => {
    const [key = '', value] = term.split(/==|!=/).map((part) => part.trim());
    if (value === undefined) return key in labels;
    return term.includes('!=') ? labels[key] !== value : labels[key] === value;
  });
}

function listApps(call: Call): Answer {
  const { searchParams } = call.url;
  const chosen = call.reads.apps().filter(({ app }) => {
    if (app === undefined) return false;
    const label = searchParams.get('label');
    const cmd = searchParams.get('cmd');
    return (
      app.id.includes(searchParams.get('id') ?? '') &&
      (label === null || matchesLabels(app.labels, label)) &&
      (cmd === null || app.cmd?.includes(cmd) === true)
    );
  });
  return ok({
    apps: chosen.flatMap((record) =>
      record.app === undefined ? [] : [call.reads.appJson(record, record.app, embedsOf(call))],
    ),
  });
}

function oneApp(call: Call): Answer {
  const record = recordOf(call);
  // One app by itself comes with everything, whatever was asked.
  const all = new Set(['apps.tasks', 'apps.readiness', 'apps.lastTaskFailure']);
  return ok({ app: record.app === undefined ? undefined : call.reads.appJson(record, record.app, all) });
}

function createApp(call: Call): Answer {
  const definition = object(call.body);
  const deployment = call.actions.createApp(definition, force(call));
  tellPost(call, definition);
  const record = call.core.records.get(deployment.recordId);
  const app = record?.app === undefined ? {} : call.reads.appJson(record, record.app, new Set(['apps.tasks']));
  return {
    status: 201,
    json: app,
    headers: { 'marathon-deployment-id': deployment.id, location: `/v2/apps${deployment.recordId}` },
  };
}

function putApps(call: Call): Answer {
  if (!Array.isArray(call.body)) throw new MarathonRefusal(400, { message: 'Invalid JSON' });
  const deployments = call.body.map((each) => {
    const definition = object(each);
    tellPost(call, definition);
    return upsert(call, definition);
  });
  const [last] = deployments.slice(-1);
  return last === undefined ? ok({}) : deployed(last);
}

function upsert(call: Call, definition: AppDefinition): Deployment {
  const id = absoluteId(definition.id ?? call.id);
  if (call.core.records.has(id)) return call.actions.updateApp(id, definition, force(call));
  return call.actions.putApp({ ...definition, id }, force(call));
}

function updateApp(call: Call): Answer {
  const definition = object(call.body);
  const isNew = !call.core.records.has(call.id);
  if (isNew && call.request.method === 'PATCH') recordOf(call);
  const deployment = upsert(call, { ...definition, id: call.id });
  tellPost(call, { ...definition, id: call.id });
  return deployed(deployment, isNew ? 201 : 200);
}

function removeApp(call: Call): Answer {
  recordOf(call);
  const deployment = call.actions.remove(call.id, force(call));
  tellPost(call, { id: call.id });
  return deployed(deployment);
}

function appTasks(call: Call): Answer {
  const record = recordOf(call);
  return ok({ tasks: call.reads.tasksOf(record) });
}

function killAppTasks(call: Call): Answer {
  const record = recordOf(call);
  const host = call.url.searchParams.get('host');
  const tasks = call.reads
    .tasksOf(record)
    .filter(
      (task) =>
        (call.task === '' || task['id'] === call.task) && (host === null || host === '*' || task['host'] === host),
    );
  if (call.task !== '' && tasks.length === 0)
    throw new MarathonRefusal(404, { message: `Task '${call.task}' does not exist` });
  const deployment = call.actions.killTasks(
    tasks.map(({ id }) => String(id)),
    { scale: flag(call, 'scale') },
  );
  if (deployment !== undefined) return deployed(deployment);
  return ok(call.task === '' ? { tasks } : { task: tasks[0] });
}

function listTasks(call: Call): Answer {
  const wantsJson = call.request.headers.accept?.includes('application/json') === true;
  if (!wantsJson) return { status: 200, text: call.reads.taskTable() };
  const statuses = call.url.searchParams.getAll('status');
  const wanted = new Set(statuses.map((status) => `TASK_${status.toUpperCase()}`));
  return ok({ tasks: call.reads.allTasks().filter(({ state }) => wanted.size === 0 || wanted.has(String(state))) });
}

function killTasks(call: Call): Answer {
  const { ids } = object(call.body) as { ids?: unknown };
  if (!Array.isArray(ids)) throw new MarathonRefusal(400, { message: 'ids must be an array' });
  const tasks = call.reads.allTasks().filter(({ id }) => ids.includes(id));
  const deployment = call.actions.killTasks(ids.map(String), { scale: flag(call, 'scale') });
  return deployment === undefined ? ok({ tasks }) : deployed(deployment);
}

function cancelDeployment(call: Call): Answer {
  call.actions.cancel(call.id.slice(1));
  return { status: 202, json: {} };
}

function resetDelay(call: Call): Answer {
  recordOf(call).notBeforeMs = 0;
  call.core.notify();
  return { status: 204 };
}

function podStatuses(call: Call): Answer {
  return ok(
    call.reads.pods().flatMap((record) => (record.pod === undefined ? [] : [call.reads.podStatus(record, record.pod)])),
  );
}

function onePodStatus(call: Call): Answer {
  const record = podRecord(call);
  return ok(record.pod === undefined ? undefined : call.reads.podStatus(record, record.pod));
}

function podDefinition(call: Call): PodDefinition {
  const { containers, id } = object(call.body) as { containers?: unknown; id?: unknown };
  if (!Array.isArray(containers) || typeof id !== 'string')
    throw new MarathonRefusal(422, { message: 'Object is not valid' });
  return call.body as PodDefinition;
}

function createPod(call: Call): Answer {
  const definition = podDefinition(call);
  if (call.core.records.has(absoluteId(definition.id)))
    throw new MarathonRefusal(409, { message: `Pod ${definition.id} already exists` });
  const deployment = call.actions.putPod(definition);
  const pod = call.core.records.get(deployment.recordId)?.pod;
  return {
    status: 201,
    json: pod,
    headers: { 'marathon-deployment-id': deployment.id, location: `/v2/pods${deployment.recordId}` },
  };
}

function updatePod(call: Call): Answer {
  podRecord(call);
  const deployment = call.actions.putPod({ ...podDefinition(call), id: call.id }, force(call));
  return { ...ok(podRecord(call).pod), headers: { 'marathon-deployment-id': deployment.id } };
}

function removePod(call: Call): Answer {
  const record = podRecord(call);
  const { id } = call.actions.remove(call.id, force(call));
  call.core.hub.emit('pod_deleted_event', {
    clientIp: call.request.socket.remoteAddress ?? '',
    uri: call.url.pathname,
    version: versionOf(record),
  });
  return { status: 202, headers: { 'marathon-deployment-id': id } };
}
