// What changes a fake Marathon: definitions posted, scaled, restarted and removed, each as a deployment that ends.
import type { AppDefinition } from './marathon-app.ts';
import { absoluteId, normalizeApp, problemsOf } from './marathon-app.ts';
import type { MarathonCore } from './marathon-core.ts';
import type { PodDefinition } from './marathon-pod.ts';
import { normalizePod } from './marathon-pod.ts';
import type { Deployment, RunRecord } from './marathon-records.ts';
import { planOf, stepOf } from './marathon-records.ts';

// What the API answers in place of a result.
export class MarathonRefusal extends Error {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;

  constructor(status: number, body: Readonly<Record<string, unknown>>) {
    super(String(body['message'] ?? status));
    this.name = 'MarathonRefusal';
    this.status = status;
    this.body = body;
  }
}

export interface ChangeOptions {
  // Takes the place of a running deployment of the same app.
  readonly force?: boolean;
}

export interface KillOptions {
  // Also lowers the number of instances, so that no other starts.
  readonly scale?: boolean;
}

type Action = Deployment['action'];

const SCALING_ONLY = new Set(['instances', 'id', 'version', 'versionInfo']);

export class MarathonActions {
  readonly deployments = new Map<string, Deployment>();
  readonly #core: MarathonCore;
  readonly #superseded = new Set<string>();
  readonly #servicePortBase: number;
  #servicePorts = 0;
  #lastVersionMs = 0;

  constructor(core: MarathonCore, servicePortBase: number) {
    this.#core = core;
    this.#servicePortBase = servicePortBase;
  }

  // POST: the id must be free.
  createApp(posted: AppDefinition, options: ChangeOptions = {}): Deployment {
    const id = this.#checked(posted);
    if (this.#core.records.has(id))
      throw new MarathonRefusal(409, { message: `An app with id [${id}] already exists.` });
    return this.putApp(posted, options);
  }

  // PUT of a whole definition, new or not.
  putApp(posted: AppDefinition, options: ChangeOptions = {}): Deployment {
    const id = this.#checked(posted);
    const before = this.#core.records.get(id);
    this.#claim(id, options);
    const version = this.#nextVersion();
    const app = normalizeApp(posted, version, {
      role: this.#core.options.role,
      nextServicePort: () => this.#nextServicePort(),
    });
    if (before === undefined) {
      const record = newRecord(id, version, app.instances);
      record.app = app;
      this.#core.keep(record);
      return this.#deploy(record, version, 'StartApplication');
    }
    const scaling = before.app !== undefined && sameButScaled(before.app, app);
    const since = scaling && before.app !== undefined ? before.app.versionInfo.lastConfigChangeAt : version;
    before.app = { ...app, versionInfo: { lastConfigChangeAt: since, lastScalingAt: version } };
    before.target = app.instances;
    before.removed = false;
    before.versions.push(version);
    if (!scaling) before.configVersion = version;
    return this.#deploy(before, version, scaling ? 'ScaleApplication' : 'RestartApplication');
  }

  // PUT or PATCH of some fields.
  updateApp(id: string, fields: AppDefinition, options: ChangeOptions = {}): Deployment {
    const { app } = this.#record(id);
    if (app === undefined) throw notFound(id);
    const { version: _version, versionInfo: _info, ...kept } = app;
    const { container: _container, networks: _networks, ...rest } = kept;
    const renetworked =
      fields.container !== undefined || fields.networks !== undefined || fields.ipAddress !== undefined;
    const shape = renetworked
      ? {
          ...rest,
          ...(fields.networks === undefined && fields.container?.docker?.network === undefined
            ? { networks: app.networks }
            : {}),
        }
      : kept;
    return this.putApp({ ...shape, ...fields, id: app.id }, options);
  }

  scale(id: string, instances: number, options: ChangeOptions = {}): Deployment {
    return this.updateApp(id, { instances }, options);
  }

  restart(id: string, options: ChangeOptions = {}): Deployment {
    const record = this.#record(id);
    this.#claim(record.id, options);
    const version = this.#nextVersion();
    record.configVersion = version;
    if (record.app !== undefined)
      record.app = { ...record.app, version, versionInfo: { ...record.app.versionInfo, lastConfigChangeAt: version } };
    record.versions.push(version);
    return this.#deploy(record, version, 'RestartApplication');
  }

  remove(id: string, options: ChangeOptions = {}): Deployment {
    const record = this.#record(id);
    this.#claim(record.id, options);
    record.removed = true;
    return this.#deploy(record, this.#nextVersion(), 'StopApplication');
  }

  putPod(posted: PodDefinition, options: ChangeOptions = {}): Deployment {
    const id = absoluteId(posted.id);
    this.#claim(id, options);
    const version = this.#nextVersion();
    const pod = normalizePod(posted, version, this.#core.options.role);
    const before = this.#core.records.get(id);
    const record = before ?? newRecord(id, version, 0);
    record.pod = pod;
    record.target = pod.scaling?.instances ?? 1;
    record.configVersion = version;
    if (before === undefined) this.#core.keep(record);
    this.#core.hub.emit(before === undefined ? 'pod_created_event' : 'pod_updated_event', {
      clientIp: '127.0.0.1',
      uri: `/v2/pods${id}`,
    });
    return this.#deploy(record, version, before === undefined ? 'StartApplication' : 'RestartApplication');
  }

  // Kills tasks; with scale as a deployment, without it others start in their place.
  killTasks(taskIds: readonly string[], { scale = false }: KillOptions = {}): Deployment | undefined {
    let last: RunRecord | undefined;
    for (const taskId of taskIds) {
      const found = this.#core.find(taskId);
      if (found === undefined) continue;
      const { record, instance } = found;
      if (scale) {
        record.target = Math.max(0, record.target - 1);
        if (record.app !== undefined) record.app = { ...record.app, instances: record.target };
        last = record;
      }
      this.#core.killInstance(record, instance);
    }
    this.#core.notify();
    return last === undefined ? undefined : this.#deploy(last, this.#nextVersion(), 'ScaleApplication');
  }

  cancel(deploymentId: string): void {
    if (!this.deployments.has(deploymentId))
      throw new MarathonRefusal(404, { message: `DeploymentPlan ${deploymentId} does not exist` });
    this.#superseded.add(deploymentId);
    this.#core.notify();
  }

  deploymentsOf(recordId: string): readonly Deployment[] {
    return [...this.deployments.values()].filter((deployment) => deployment.recordId === recordId);
  }

  #checked(posted: AppDefinition): string {
    const problems = problemsOf(posted);
    if (problems.length > 0) throw new MarathonRefusal(422, { message: 'Object is not valid', details: problems });
    return absoluteId(posted.id ?? '');
  }

  #record(id: string): RunRecord {
    const record = this.#core.records.get(absoluteId(id));
    if (record === undefined) throw notFound(absoluteId(id));
    return record;
  }

  #claim(id: string, { force = false }: ChangeOptions): void {
    const running = this.deploymentsOf(id);
    if (running.length === 0) return;
    if (!force) {
      const message = `App is locked by one or more deployments. Override with the option '?force=true'. View details at '/v2/deployments/<DEPLOYMENT_ID>'.`;
      throw new MarathonRefusal(409, { message, deployments: running.map((deployment) => ({ id: deployment.id })) });
    }
    for (const { id: deploymentId } of running) this.#superseded.add(deploymentId);
  }

  #deploy(record: RunRecord, version: string, action: Action): Deployment {
    const id = this.#core.cluster.ids.uuid();
    const { promise: done, resolve, reject } = Promise.withResolvers<undefined>();
    const deployment: Deployment = {
      id,
      version,
      recordId: record.id,
      isPod: record.pod !== undefined,
      action,
      done: done.then(() => undefined),
    };
    deployment.done.catch(() => undefined);
    this.deployments.set(id, deployment);
    const { hub } = this.#core;
    hub.emit('deployment_info', { plan: planOf(deployment), currentStep: stepOf(deployment) });
    void this.#core
      .converged(record, () => this.#superseded.has(id))
      .then((ended) => {
        this.deployments.delete(id);
        if (ended) {
          hub.emit('deployment_step_success', { plan: planOf(deployment), currentStep: stepOf(deployment) });
          hub.emit('group_change_success', { groupId: '/', version });
          hub.emit('deployment_success', { id, plan: planOf(deployment) });
          resolve(undefined);
        } else {
          hub.emit('deployment_failed', { id, plan: planOf(deployment), reason: 'superseded' });
          reject(new MarathonRefusal(409, { message: `Deployment ${id} was superseded` }));
        }
      });
    this.#core.notify();
    return deployment;
  }

  // Versions are times, and no two changes have the same.
  #nextVersion(): string {
    this.#lastVersionMs = Math.max(this.#core.cluster.clock.now(), this.#lastVersionMs + 1);
    return new Date(this.#lastVersionMs).toISOString();
  }

  #nextServicePort(): number {
    return this.#servicePortBase + this.#servicePorts++;
  }
}

function notFound(id: string): MarathonRefusal {
  return new MarathonRefusal(404, { message: `App '${id}' does not exist` });
}

function newRecord(id: string, version: string, target: number): RunRecord {
  return {
    id,
    app: undefined,
    pod: undefined,
    target,
    configVersion: version,
    removed: false,
    instances: [],
    versions: [version],
    failures: 0,
    notBeforeMs: 0,
    lastFailure: undefined,
  };
}

// Service ports are handed out anew each time a definition is read, so they do not count.
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([key]) => key !== 'servicePort' && key !== 'port');
  return Object.fromEntries(
    entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, inner]) => [key, canonical(inner)]),
  );
}

function sameButScaled(before: AppDefinition, after: AppDefinition): boolean {
  const text = (app: AppDefinition): string =>
    JSON.stringify(canonical(Object.fromEntries(Object.entries(app).filter(([key]) => !SCALING_ONLY.has(key)))));
  return text(before) === text(after);
}
