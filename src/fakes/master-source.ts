// What a fake master serves: a picture of the cluster and the events after it. A cluster model, a generator or a recording.
import type { Agent, AgentInfo, Executor, Framework, MesosEvent, Task } from './mesos-shapes.ts';

// A picture may be generated while it is read, so that it is never held whole; reading it twice gives the same.
export interface MasterView {
  readonly tasks: Iterable<Task>;
  readonly unreachableTasks: Iterable<Task>;
  readonly completedTasks: Iterable<Task>;
  readonly executors: Iterable<Executor>;
  readonly frameworks: Iterable<Framework>;
  readonly completedFrameworks: Iterable<Framework>;
  readonly agents: Iterable<Agent>;
  readonly recoveredAgents: Iterable<AgentInfo>;
}

// A list whose items' JSON, and the length of all of it, are known without making the items.
export interface WrittenList<Item> extends Iterable<Item> {
  texts(): Iterable<string>;
  // Octets of all texts and of the commas between them.
  readonly bytes: number;
}

export interface SourceEvent {
  // The event, or recorded bytes that go out as they are.
  readonly event?: MesosEvent;
  readonly raw?: Uint8Array;
  // First minor version of Mesos 1.x that tells it; none means all.
  readonly since?: number;
}

export interface MasterSource {
  readonly masterId: string;
  readonly clusterName: string;
  view(): MasterView;
  // The listener is called synchronously, in the order of the stream, until the returned function is called.
  onEvent(listener: (event: SourceEvent) => void): () => void;
  // A recording's records so far, first the snapshot: a subscriber gets these bytes in place of a snapshot made from view().
  recorded?(): readonly Uint8Array[];
  // Called when another master takes the lead with an empty view; a source that cannot do it has no such method.
  failover?(): void;
}
