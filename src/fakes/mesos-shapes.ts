// The JSON shapes of Mesos's v1 operator API, as far as the fakes write them.
export type TaskState =
  | 'TASK_STAGING'
  | 'TASK_STARTING'
  | 'TASK_RUNNING'
  | 'TASK_KILLING'
  | 'TASK_FINISHED'
  | 'TASK_FAILED'
  | 'TASK_KILLED'
  | 'TASK_ERROR'
  | 'TASK_LOST'
  | 'TASK_DROPPED'
  | 'TASK_UNREACHABLE'
  | 'TASK_GONE'
  | 'TASK_GONE_BY_OPERATOR'
  | 'TASK_UNKNOWN';

const TERMINAL: ReadonlySet<string> = new Set([
  'TASK_FINISHED',
  'TASK_FAILED',
  'TASK_KILLED',
  'TASK_ERROR',
  'TASK_LOST',
  'TASK_DROPPED',
  'TASK_GONE',
  'TASK_GONE_BY_OPERATOR',
]);

export function isTerminal(state: string): boolean {
  return TERMINAL.has(state);
}

export interface Id {
  readonly value: string;
}

export interface Label {
  readonly key: string;
  readonly value: string;
}

export interface Labels {
  readonly labels?: readonly Label[];
}

export interface Resource {
  readonly name: string;
  readonly type: 'SCALAR' | 'RANGES';
  readonly scalar?: { readonly value: number };
  readonly ranges?: { readonly range: readonly { readonly begin: number; readonly end: number }[] };
  readonly allocation_info?: { readonly role: string };
  readonly role?: string;
}

export interface PortMapping {
  readonly host_port: number;
  readonly container_port: number;
  readonly protocol: string;
}

export interface NetworkInfo {
  readonly ip_addresses?: readonly { readonly protocol: 'IPv4' | 'IPv6'; readonly ip_address?: string }[];
  readonly name?: string;
  readonly labels?: Labels;
  readonly port_mappings?: readonly PortMapping[];
}

export interface ContainerStatus {
  readonly container_id: { readonly value: string; readonly parent?: Id };
  readonly network_infos?: readonly NetworkInfo[];
  readonly executor_pid?: number;
}

export interface TaskStatus {
  readonly task_id: Id;
  readonly state: TaskState;
  readonly message?: string;
  readonly source?: string;
  readonly reason?: string;
  readonly data?: string;
  readonly agent_id: Id;
  readonly executor_id?: Id;
  readonly timestamp: number;
  readonly uuid?: string;
  readonly healthy?: boolean;
  readonly container_status?: ContainerStatus;
  readonly unreachable_time?: { readonly nanoseconds: number };
}

export interface DiscoveryPort {
  readonly number: number;
  readonly name?: string;
  readonly protocol?: string;
  readonly labels?: Labels;
}

export interface Discovery {
  readonly visibility: 'FRAMEWORK';
  readonly name: string;
  readonly ports: { readonly ports?: readonly DiscoveryPort[] };
}

export interface ContainerInfo {
  readonly type: 'DOCKER' | 'MESOS';
  readonly docker?: {
    readonly image: string;
    readonly network: string;
    readonly port_mappings?: readonly PortMapping[];
    readonly privileged: boolean;
    readonly parameters?: readonly Label[];
    readonly force_pull_image: boolean;
  };
  readonly mesos?: {
    readonly image?: { readonly type: 'DOCKER'; readonly docker: { readonly name: string }; readonly cached: boolean };
  };
  readonly network_infos?: readonly NetworkInfo[];
}

export interface HealthCheck {
  readonly delay_seconds: number;
  readonly interval_seconds: number;
  readonly timeout_seconds: number;
  readonly consecutive_failures: number;
  readonly grace_period_seconds: number;
  readonly type: 'HTTP' | 'TCP' | 'COMMAND';
  readonly http?: { readonly protocol: string; readonly scheme: string; readonly port: number; readonly path: string };
  readonly tcp?: { readonly protocol: string; readonly port: number };
  readonly command?: { readonly shell: boolean; readonly value: string };
}

export interface Task {
  readonly name: string;
  readonly task_id: Id;
  readonly framework_id: Id;
  readonly executor_id?: Id;
  readonly agent_id: Id;
  readonly state: TaskState;
  readonly resources: readonly Resource[];
  readonly statuses?: readonly TaskStatus[];
  readonly status_update_state?: TaskState;
  readonly status_update_uuid?: string;
  readonly labels?: Labels;
  readonly discovery?: Discovery;
  readonly container?: ContainerInfo;
  readonly health_check?: HealthCheck;
  readonly kill_policy?: { readonly grace_period: { readonly nanoseconds: number } };
  readonly user?: string;
}

export interface AgentInfo {
  readonly hostname: string;
  readonly port: number;
  readonly resources: readonly Resource[];
  readonly attributes?: readonly {
    readonly name: string;
    readonly type: string;
    readonly text: { readonly value: string };
  }[];
  readonly id: Id;
  readonly domain?: {
    readonly fault_domain: { readonly region: { readonly name: string }; readonly zone: { readonly name: string } };
  };
}

export interface Nanoseconds {
  readonly nanoseconds: number;
}

export interface Agent {
  readonly agent_info: AgentInfo;
  readonly active: boolean;
  readonly deactivated: boolean;
  readonly version: string;
  readonly pid: string;
  readonly registered_time: Nanoseconds;
  readonly reregistered_time?: Nanoseconds;
  readonly total_resources: readonly Resource[];
  readonly allocated_resources?: readonly Resource[];
  readonly drain_info?: unknown;
  readonly capabilities?: readonly { readonly type: string }[];
}

export interface FrameworkInfo {
  readonly user: string;
  readonly name: string;
  readonly id: Id;
  readonly failover_timeout: number;
  readonly checkpoint: boolean;
  readonly role?: string;
  readonly roles?: readonly string[];
  readonly hostname: string;
  readonly principal?: string;
  readonly webui_url?: string;
  readonly capabilities: readonly { readonly type: string }[];
}

export interface Framework {
  readonly framework_info: FrameworkInfo;
  readonly active: boolean;
  readonly connected: boolean;
  readonly recovered: boolean;
  readonly registered_time: Nanoseconds;
  readonly reregistered_time?: Nanoseconds;
  readonly unregistered_time?: Nanoseconds;
  readonly allocated_resources?: readonly Resource[];
  readonly offer_constraints?: Record<string, never>;
}

export interface Executor {
  readonly executor_info: {
    readonly type: 'DEFAULT';
    readonly executor_id: Id;
    readonly framework_id: Id;
    readonly container?: ContainerInfo;
    readonly resources: readonly Resource[];
    readonly labels?: Labels;
  };
  readonly agent_id: Id;
}

export type MesosEvent =
  | { readonly type: 'TASK_ADDED'; readonly task_added: { readonly task: Task } }
  | {
      readonly type: 'TASK_UPDATED';
      readonly task_updated: { readonly framework_id: Id; readonly status: TaskStatus; readonly state: TaskState };
    }
  | { readonly type: 'AGENT_ADDED'; readonly agent_added: { readonly agent: Agent } }
  | { readonly type: 'AGENT_REMOVED'; readonly agent_removed: { readonly agent_id: Id } }
  | { readonly type: 'FRAMEWORK_ADDED'; readonly framework_added: { readonly framework: Framework } }
  | { readonly type: 'FRAMEWORK_UPDATED'; readonly framework_updated: { readonly framework: Framework } }
  | { readonly type: 'FRAMEWORK_REMOVED'; readonly framework_removed: { readonly framework_info: FrameworkInfo } }
  | { readonly type: 'HEARTBEAT' };
