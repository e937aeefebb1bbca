// Branded identifiers of the cluster, and the keys that are built from them. Two ids of different kinds never mix by accident.

declare const brand: unique symbol;
type Branded<Kind extends string> = string & { readonly [brand]: Kind };

export type FrameworkId = Branded<'FrameworkId'>;
export type AgentId = Branded<'AgentId'>;
export type TaskId = Branded<'TaskId'>;
/** `FRAMEWORK_ID/TASK_ID`. Task ids are unique within a framework only, and Mesos forbids `/` in both. */
export type TaskKey = Branded<'TaskKey'>;
/** `MARATHON_NAME + app id`, such as `marathon/groupware/nginx`: two Marathons may both run `/web`. */
export type AppKey = Branded<'AppKey'>;
/** `IP:PORT`, IPv6 in brackets: the identity of a backend wherever it is counted, checked or drained. */
export type BackendKey = Branded<'BackendKey'>;

export const frameworkId = (value: string): FrameworkId => value as FrameworkId;
export const agentId = (value: string): AgentId => value as AgentId;
export const taskId = (value: string): TaskId => value as TaskId;

export function taskKey(framework: FrameworkId, task: TaskId): TaskKey {
  return `${framework}/${task}` as TaskKey;
}

export function appKey(marathon: string, appId: string): AppKey {
  return `${marathon}${appId}` as AppKey;
}

export function backendKey(ip: string, port: number): BackendKey {
  return (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`) as BackendKey;
}
