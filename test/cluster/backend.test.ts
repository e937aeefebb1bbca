// Where a port of an app is on one of its tasks.

import t from 'tap';
import { addressOfAppPort, type App, type AppPort } from '../../src/cluster/index.ts';
import { routedApp, routedTask } from '../proxies/router/routed-apps.ts';

const app: App = routedApp('/a', {});
const [port] = app.ports as [AppPort];

void t.test('a task on its agent is asked on its own port, or on the defined one where it was given none', (t) => {
  t.same(addressOfAppPort(app, port, routedTask('/a', 'a.1', '10.0.0.5', [31_000])), { ip: '10.0.0.5', port: 31_000 });
  t.same(addressOfAppPort(app, port, routedTask('/a', 'a.1', '10.0.0.5', [])), { ip: '10.0.0.5', port: 10_000 });
  const second = { ...port, index: 1, hostPortIndex: 1 };
  t.equal(addressOfAppPort(app, second, routedTask('/a', 'a.1', '10.0.0.5', [31_000])), null, 'an older version');
  const bridge: App = { ...app, networkMode: 'bridge' };
  t.equal(addressOfAppPort(bridge, port, routedTask('/a', 'a.1', '10.0.0.5', [])), null);
  t.end();
});
