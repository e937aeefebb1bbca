// Requests written byte for byte to a real daemon: what is refused, what goes on, and how.

import { ask, Backends, type Answered } from './l7-backends.ts';
import { judge, rowOf, rowsOf, same, textsOf, type Report, type Row } from './l7-outcome.ts';
import { CaseDaemon } from './l7-daemon.ts';

const backend = '10.9.9.9:8080';

export async function runRaw(cases: unknown, report: Report): Promise<void> {
  const rows = rowsOf(rowOf(cases)['cases'], 'cases');
  const hosts = [...new Set(['app.example', ...rows.flatMap((row) => rowOf(row['expect'])['routeHost'] ?? [])])].map(
    String,
  );
  const routes = hosts
    .filter((host) => /^[a-z0-9.-]+$/.test(host))
    .map((host) => ({ host, to: [`http://${backend}`] }));
  const backends = new Backends();
  await backends.open([backend]);
  const daemons = new CaseDaemon();
  try {
    const router = { http: ['127.0.0.1:8081'], https: [], routes };
    await daemons.load([], {}, (groups) => ({ router: { ...router, groups } }));
    // Some wait for the router to end the connection: each on its own, they need not wait for one another.
    await Promise.all(
      rows.map((row) =>
        judge(String(row['id']), report, async () => compareRaw(await send(String(row['raw'])), row), 'raw'),
      ),
    );
  } finally {
    await daemons.close();
    await backends.close();
  }
}

const send = (raw: string): Promise<Answered> => ask({ port: 8081, tls: null, clientIp: null, raw });

function compareRaw(answer: Answered, row: Row): readonly string[] {
  const expect = rowOf(row['expect']);
  switch (expect['action']) {
    case 'reject':
      return [
        ...same('status', answer.status, expect['status']),
        ...(expect['closeConnection'] === true ? same('closed', answer.ended, true) : []),
      ];
    case 'forward':
      return compareForwarded(answer, expect);
    case 'no-route':
      return same('status', answer.status, expect['status'] ?? 503);
    case 'local':
      return [
        ...same('back end', answer.seen, null),
        ...(expect['status'] === undefined ? [] : same('status', answer.status, expect['status'])),
      ];
    case 'tunnel':
      return answer.status === 101 || answer.seen !== null ? [] : [`status is ${answer.status}, expected a back end`];
    default:
      return [`action ${String(expect['action'])} is not understood`];
  }
}

function compareForwarded(answer: Answered, expect: Row): readonly string[] {
  const { seen } = answer;
  if (seen === null) return [`status is ${answer.status}, expected a back end: ${answer.text.slice(0, 200)}`];
  const differences: string[] = [];
  for (const [key, value] of Object.entries(expect)) {
    if (key === 'upstreamTarget') differences.push(...same('target', seen.path, value));
    else if (key === 'upstreamHost') differences.push(...same('Host', seen.headers['host']?.[0], value));
    else if (key === 'upstreamBody') differences.push(...same('body', seen.body, value));
    else if (key === 'upstreamAbsent')
      for (const name of textsOf(value))
        differences.push(...same(name, seen.headers[name.toLowerCase()] ?? null, null));
    else if (key === 'upstreamPresent')
      for (const name of textsOf(value))
        differences.push(...(seen.headers[name.toLowerCase()] === undefined ? [`${name} is missing`] : []));
    else if (key === 'upstreamSet')
      for (const [name, text] of Object.entries(rowOf(value)))
        differences.push(...same(name, seen.headers[name.toLowerCase()]?.join(', '), text));
  }
  return differences;
}
