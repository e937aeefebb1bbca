// Lines of the session log, as squid's and CLF's tools read them.

import t from 'tap';
import { createSessions } from '../../../proxies/access/index.ts';
import { createMetrics, silentLogger, systemClock } from '../../../src/runtime/index.ts';

const at = Date.UTC(2026, 10, 21, 9, 8, 7, 45);
const clock = { ...systemClock, now: () => at, monotonic: () => 1_000, after: systemClock.after };

function line(
  format: 'json' | 'squid' | 'common',
  fields: Record<string, unknown>,
  end: 'finished' | 'denied',
): string {
  let written = '';
  const sessionLog = { format, write: (text: string) => void (written += text) };
  const sessions = createSessions({
    subsystem: 'egress',
    log: silentLogger,
    metrics: createMetrics(),
    clock,
    sessionLog,
  });
  const session = sessions.open({ client: '10.1.2.3', listener: '0.0.0.0:3128', ...fields });
  session.end({ verdict: end === 'denied' ? 'deny' : 'allow', reason: end, bytesUp: 10, bytesDown: 2_000 });
  return written;
}

const http = {
  proto: 'http',
  method: 'GET',
  target: 'www.example',
  port: 80,
  ip: '192.0.2.1',
  route: 'direct',
  status: 304,
};
const socks = {
  proto: 'socks5',
  command: 'connect',
  target: '2001:db8::1',
  port: 443,
  user: 'ann b"\n',
  route: 'http://px:1',
};

t.test('squid', async (t) => {
  t.equal(
    line('squid', http, 'finished'),
    '1795252087.045      0 10.1.2.3 TCP_MISS/304 2000 GET http://www.example:80/ - HIER_DIRECT/192.0.2.1 -\n',
  );
  t.equal(
    line('squid', { ...socks, ip: 'up!x' }, 'finished'),
    '1795252087.045      0 10.1.2.3 TCP_TUNNEL/200 2000 CONNECT [2001:db8::1]:443 ann%20b%22%0A FIRSTUP_PARENT/up!x -\n',
  );
  t.match(line('squid', http, 'denied').replace('304', '403'), /TCP_DENIED\/403 .* HIER_NONE\/- -\n$/);
});

t.test('common', async (t) => {
  t.equal(
    line('common', http, 'finished'),
    '10.1.2.3 - - [21/Nov/2026:09:08:07 +0000] "GET http://www.example:80/ HTTP" 304 2000\n',
  );
  t.match(
    line('common', socks, 'denied'),
    /^10\.1\.2\.3 - ann%20b%22%0A \[[^\]]*\] "CONNECT \[2001:db8::1\]:443 SOCKS5" 403 2000\n$/,
  );
});

t.test('json', async (t) => {
  const parsed = JSON.parse(line('json', socks, 'denied')) as Record<string, unknown>;
  t.match(parsed, {
    time: '2026-11-21T09:08:07.045Z',
    client: '10.1.2.3',
    verdict: 'deny',
    reason: 'denied',
    down: 2_000,
  });
});
