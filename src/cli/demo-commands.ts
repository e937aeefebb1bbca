// What to try in the demo: each command as it can be pasted, and what it shows.

import type { LegacyServers } from './demo-legacy.ts';

export interface DemoCommand {
  readonly shows: string;
  readonly command: string;
}

export interface DemoAddresses {
  readonly dns: string;
  readonly http: string;
  readonly https: string;
  /** File of the CA that signed what https shows. */
  readonly authority: string;
  readonly socks: string;
  readonly httpProxy: string;
  readonly forward: string;
  readonly admin: string;
  /** `ADDRESS:PORT` of the homepage's VIP. */
  readonly vip: string;
  readonly marathon: string;
}

export function demoCommands(at: DemoAddresses, legacy: LegacyServers, isthmus: string): readonly DemoCommand[] {
  const [dnsHost, dnsPort] = at.dns.split(':');
  const [forwardHost, forwardPort] = at.forward.split(':');
  const [httpsHost, httpsPort] = at.https.split(':');
  const dig = `dig @${dnsHost} -p ${dnsPort}`;
  return [
    { shows: 'DNS: where the homepage runs', command: `${dig} +short web.homepage.marathon.mesos` },
    { shows: 'DNS: with ports', command: `${dig} +short SRV _web-homepage._tcp.marathon.mesos` },
    { shows: 'DNS: the leading master', command: `${dig} +short leader.mesos` },
    { shows: 'DNS: the address of a VIP', command: `${dig} +short homepage-web.marathon.l4lb.thisdcos.directory` },
    { shows: 'Router: by host name', command: `curl -s -H 'Host: www.homepage.example' http://${at.http}/` },
    { shows: 'Router: by path', command: `curl -s -H 'Host: groupware.example' http://${at.http}/was` },
    {
      shows: 'Router: an app of the second Marathon',
      command: `curl -s -H 'Host: contract.example' http://${at.http}/`,
    },
    {
      shows: 'Router: over TLS and HTTP/2',
      command: `curl -s --cacert ${at.authority} --resolve www.homepage.example:${httpsPort}:${httpsHost} https://www.homepage.example:${httpsPort}/`,
    },
    { shows: 'VIP: balanced over both instances', command: `curl -s http://${at.vip}/` },
    {
      shows: 'SOCKS: cluster names from outside',
      command: `curl -s --socks5-hostname ${at.socks} http://tomcat.groupware.marathon.mesos:8080/`,
    },
    {
      shows: 'HTTP proxy: to a task',
      command: `curl -s -x http://${at.httpProxy} http://web.homepage.marathon.mesos:8080/`,
    },
    {
      shows: 'HTTP proxy: to an old system',
      command: `curl -s -x http://${at.httpProxy} http://${legacy.httpHost}:${legacy.httpPort}/`,
    },
    { shows: 'Forward: to an old database', command: `curl -s telnet://${forwardHost}:${forwardPort} </dev/null` },
    {
      shows: 'Why a request goes where it goes',
      command: `${isthmus} explain http://groupware.example/was --admin http://${at.admin}`,
    },
    { shows: 'Every route', command: `${isthmus} routes --admin http://${at.admin}` },
    {
      shows: 'Deploy: scale the homepage, and watch the names follow',
      command: `curl -s -X PUT -H 'Content-Type: application/json' -d '{"instances":3}' ${at.marathon}/v2/apps//homepage/web`,
    },
  ];
}
