// Which of an app's health checks is about a port, what it makes of the port's mode, and our own check from it (specs/l7.md §1.7, §1.12). Pure.

import type { App, AppHealthCheck, AppPort } from '../../../src/cluster/index.ts';
import type { CheckRule } from '../service-record.ts';

/** The first one with a port of its own, or about this index. */
export const checkOfPort = <C extends Pick<AppHealthCheck, 'port' | 'portIndex'>>(
  checks: readonly C[],
  index: number,
): C | null => checks.find((check) => check.port !== null || check.portIndex === index) ?? null;

export interface ModeFacts {
  readonly check: Pick<AppHealthCheck, 'protocol'> | null;
  /** The check of the port that HAPROXY_<n>_BACKEND_HEALTHCHECK_PORT_INDEX names. */
  readonly otherCheck: Pick<AppHealthCheck, 'protocol'> | null;
  readonly label: 'http' | 'tcp' | null;
  readonly hasVhost: boolean;
}

const httpProtocols: ReadonlySet<string> = new Set(['HTTP', 'HTTPS', 'MESOS_HTTP', 'MESOS_HTTPS']);

/** As measured: HTTP alone counts of the own check's protocols. Corrected: all four do. The label wins in both. */
export function modeOf(facts: ModeFacts, isReference: boolean): 'http' | 'tcp' {
  const { check, otherCheck, label, hasVhost } = facts;
  const isHttp = (one: ModeFacts['check']): boolean => one !== null && httpProtocols.has(one.protocol);
  if (isReference && isHttp(otherCheck)) return 'http';
  if (label !== null) return label;
  if (isReference ? check?.protocol === 'HTTP' : isHttp(check) || isHttp(otherCheck)) return 'http';
  return hasVhost ? 'http' : 'tcp';
}

/** Null where no check is about the port. `checkedPort`: the port that is asked instead of the own one. */
export function checkRuleOf(
  app: App,
  port: AppPort,
  mode: 'http' | 'tcp',
  checkedPort: number | null,
  host: string | null,
  isReference: boolean,
): CheckRule | null {
  const check = checkOfPort(app.healthChecks, checkedPort ?? port.index);
  if (check === null || check.protocol === 'COMMAND') return null;
  const isHttp = mode === 'http' && !check.protocol.endsWith('TCP');
  const portIndex = checkedPort ?? check.portIndex;
  return {
    kind: isHttp ? 'http' : 'tcp',
    secure: !isReference && isHttp && check.protocol.endsWith('HTTPS'),
    method: 'GET',
    path: check.path ?? '/',
    ...(host === null || isReference ? {} : { host }),
    ...(check.port === null || checkedPort !== null ? {} : { port: check.port }),
    ...(portIndex === null || portIndex === port.index ? {} : { portIndex }),
    intervalMs: check.intervalMs,
    timeoutMs: check.timeoutMs,
    fall: check.maxConsecutiveFailures + 1,
    rise: 2,
  };
}
