// Service ports of apps, and the numbers that Marathon-LB makes up for apps with an address per task and none of their own. Pure.

import { createHash } from 'node:crypto';
import type { App } from '../../../src/cluster/index.ts';

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

const mostTries = 50;

/** Given to each app once, in the order asked: the result hangs on who came before, so such numbers are unstable (specs/l7.md §1.2). */
export function createPortAssigner(range: PortRange): (app: App) => readonly number[] {
  const taken = new Set<number>();
  const size = range.last - range.first + 1;
  const assign = (appId: string, taskPort: number): number | null => {
    for (let attempt = 0; attempt < mostTries; attempt++) {
      const digest = createHash('sha1').update(`${appId}-${taskPort}-${attempt}`).digest('hex');
      const port = range.first + (parseInt(digest.slice(0, 8), 16) % size);
      if (!taken.has(port)) return port;
    }
    for (let port = range.first; port <= range.last; port++) if (!taken.has(port)) return port;
    return null;
  };
  return (app) => {
    const own = servicePortsOf(app);
    if (own.length > 0 || app.networkMode !== 'container') return own;
    return app.ports.flatMap((port) => {
      const made = port.containerPort === null ? null : assign(app.id, port.containerPort);
      if (made === null) return [];
      taken.add(made);
      return [made];
    });
  };
}

/** Those that the app says, in the order of its ports. */
const servicePortsOf = (app: App): readonly number[] =>
  app.ports.flatMap((port) => (port.servicePort === null ? [] : [port.servicePort]));
