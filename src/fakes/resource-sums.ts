// Adds up what tasks use, as agents and frameworks show it in a snapshot.
import type { Resource, Task } from './mesos-shapes.ts';

interface Sum {
  readonly resource: Resource;
  readonly role: string;
  scalar: number;
  // Appended to: a framework has the ports of all its tasks.
  readonly ranges: { begin: number; end: number }[];
}

function addTo(sums: Map<string, Sum>, resource: Resource): void {
  const role = resource.allocation_info?.role ?? '*';
  const key = `${role}/${resource.name}`;
  let sum = sums.get(key);
  if (sum === undefined) sums.set(key, (sum = { resource, role, scalar: 0, ranges: [] }));
  sum.scalar += resource.scalar?.value ?? 0;
  for (const range of resource.ranges?.range ?? []) sum.ranges.push(range);
}

function totalOf(tasks: Iterable<Task>): readonly Resource[] {
  const sums = new Map<string, Sum>();
  for (const task of tasks) for (const resource of task.resources) addTo(sums, resource);
  return Array.from(sums.values(), ({ resource: { name, type }, role, scalar, ranges }) => ({
    name,
    type,
    ...(type === 'SCALAR' ? { scalar: { value: scalar } } : { ranges: { range: ranges } }),
    allocation_info: { role },
    role: '*',
  }));
}

// Every item with the resources of the tasks that carry its id.
export function sumResources<Item extends object>(
  items: readonly Item[],
  tasks: readonly Task[],
  idOf: (item: Item | Task) => string,
): readonly (Item & { allocated_resources?: readonly Resource[] })[] {
  const byId = Map.groupBy(tasks, idOf);
  return items.map((item) => {
    const own = byId.get(idOf(item));
    return own === undefined ? item : { ...item, allocated_resources: totalOf(own) };
  });
}
