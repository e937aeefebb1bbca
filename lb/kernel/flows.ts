// Flows that the kernel carries already: what conntrack knows of connections to VIPs, and how those of a backend that is gone are ended. By
// Debian's `conntrack`, since Node speaks no netlink, and a binding for it would be the first native code of the project.

import { canonicalIp, familyOf } from '../ip-number.ts';
import { IsthmusError } from '../../src/runtime/index.ts';
import type { Commands } from './command.ts';

/** A way from a VIP to a backend. */
export interface Path {
  /** `IP . PROTOCOL . PORT` of the VIP. */
  readonly spot: string;
  /** `IP . PORT` */
  readonly backend: string;
}

export interface Flows {
  /**
   * Forgets the flows of `path`, and resolves to how many there were. The client's next packet is then a new one: of TCP it meets a backend
   * or a rule that resets it, of UDP another backend (specs/l4lb.md §2.6).
   */
  end(path: Path): Promise<number>;
  /** The paths of all flows that were translated, each once. */
  list(): Promise<readonly Path[]>;
}

export function createFlows(commands: Commands): Flows {
  const run = async (args: readonly string[]): Promise<{ readonly stdout: string; readonly stderr: string }> => {
    const outcome = await commands.run('conntrack', args);
    // 1 is also "nothing was found".
    if (outcome.code === 0 || (outcome.code === 1 && /\b0 flow entries/.test(outcome.stderr))) return outcome;
    const [reason = ''] = outcome.stderr.split('\n');
    throw new IsthmusError('VIP_CONNTRACK', `conntrack: ${reason}`, { side: 'internal', retryable: true });
  };
  return {
    async end({ spot, backend }) {
      const [ip = '', protocol = '', port = ''] = spot.split(' . ');
      const [backendIp = '', backendPort = ''] = backend.split(' . ');
      const family = familyOf(ip) === 6 ? 'ipv6' : 'ipv4';
      const from = ['--orig-dst', ip, '--orig-port-dst', port];
      const to = ['--reply-src', backendIp, '--reply-port-src', backendPort];
      const { stderr } = await run(['-D', '-f', family, '-p', protocol, ...from, ...to]);
      return Number(/(\d+) flow entries have been deleted/.exec(stderr)?.[1] ?? 0);
    },
    async list() {
      const paths = new Map<string, Path>();
      for (const family of ['ipv4', 'ipv6']) {
        const { stdout } = await run(['-L', '-f', family]);
        for (const line of stdout.split('\n')) {
          const path = pathOf(line);
          if (path !== null) paths.set(`${path.spot} ${path.backend}`, path);
        }
      }
      return [...paths.values()];
    },
  };
}

/** A line of `conntrack -L`: the addresses of the first packet, then those of the answer. Null: not translated, or of another protocol. */
export function pathOf(line: string): Path | null {
  const [, protocol = '', rest = ''] = /^(tcp|udp)\s+(.*)$/.exec(line) ?? [];
  const tuple = / ?src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)/g;
  const [first, answer] = [...rest.matchAll(tuple)];
  if (first === undefined || answer === undefined) return null;
  const asked = `${canonicalIp(first[2] ?? '')} . ${first[4] ?? ''}`;
  const answers = `${canonicalIp(answer[1] ?? '')} . ${answer[3] ?? ''}`;
  if (asked === answers) return null;
  return { spot: asked.replace(' . ', ` . ${protocol} . `), backend: answers };
}
