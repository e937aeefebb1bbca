// Adds up what tasks use, as agents and frameworks show it in a snapshot.
import type { Resource, Task } from './mesos-shapes.ts';

function addTo(sums: Map<string, Resource>, resource: Resource): void {
  const role = resource.allocation_info?.role ?? '*';
  const key = `${role}/${resource.name}`;
  const before = sums.get(key);
  const sum =
    resource.type === 'SCALAR'
      ? { scalar: { value: (before?.scalar?.value ?? 0) + (resource.scalar?.value ?? 0) } }
      : { ranges: { range: [...(before?.ranges?.range ?? []), ...(resource.ranges?.range ?? [])] } };
  sums.set(key, { name: resource.name, type: resource.type, ...sum, allocation_info: { role }, role: '*' });
}

function totalOf(tasks: Iterable<Task>): readonly Resource[] {
  const sums = new Map<string, Resource>();
  for (const task of tasks) for (const resource of task.resources) addTo(sums, resource);
  return [...sums.values()];
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
