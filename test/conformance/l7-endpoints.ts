// Addresses and service ports that Marathon-LB takes from an app and its tasks, by the decoder and the model that the daemon uses.

import { addressOfAppPort, type App } from '../../src/cluster/index.ts';
import { decodeApp } from '../../src/orchestrator/marathon/decode-app.ts';
import { decodeAppTask } from '../../src/orchestrator/marathon/decode-task.ts';
import { createPortAssigner } from '../../proxies/router/labels/service-ports.ts';
import { judge, rowOf, rowsOf, same, type Report, type Row } from './l7-outcome.ts';

const marathon = { name: 'marathon', frameworkId: null };

export async function runEndpoints(cases: unknown, report: Report): Promise<void> {
  const file = rowOf(cases);
  for (const row of rowsOf(file['endpoints'] ?? [], 'endpoints'))
    await judge(String(row['id']), report, () => compareEndpoint(row));
  for (const row of rowsOf(file['servicePorts'] ?? [], 'servicePorts'))
    await judge(String(row['id']), report, () => compareServicePorts(row));
  const strange = Object.keys(file).filter((key) => !['about', 'endpoints', 'servicePorts'].includes(key));
  for (const key of strange) report({ name: key, differences: ['is a list that the runner does not know'] });
}

const modeNames = { host: 'host', bridge: 'container/bridge', container: 'container' } as const;

function compareEndpoint(row: Row): readonly string[] {
  const expect = rowOf(row['expect']);
  const definition: Row = { id: '/x', ...rowOf(row['app']) };
  const app = decodeApp(definition, marathon);
  if (app === null) return ['the app is not understood'];
  const raw = rowOf(row['task']);
  const host = String(raw['host'] ?? '');
  const resolved = String(rowOf(row['dns'])[host] ?? host);
  const task = decodeAppTask({ state: 'TASK_RUNNING', ...raw, host: resolved }, app, definition, marathon);
  const found = task === null ? [] : app.ports.flatMap((port) => addressOfAppPort(app, port, task) ?? []);
  return [
    ...same('mode', modeNames[app.networkMode], expect['mode']),
    ...same('address', found[0]?.ip ?? null, expect['ip']),
    ...same('ports', found.length === 0 ? null : found.map(({ port }) => port), expect['ports']),
  ];
}

function compareServicePorts(row: Row): readonly string[] {
  const [first = 0, last = 0] = row['range'] as readonly number[];
  const assign = createPortAssigner({ first, last });
  const apps = rowsOf(row['apps'], 'apps').map((raw): { readonly app: App; readonly id: string } | null => {
    const app = decodeApp(raw, marathon);
    return app === null ? null : { app, id: String(raw['id']) };
  });
  if (apps.includes(null)) return ['an app is not understood'];
  const ports = apps.map((one) => (one === null ? [] : assign({ ...one.app, id: one.id })));
  return same('service ports', ports, rowOf(row['expect'])['servicePorts']);
}
