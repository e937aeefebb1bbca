// Lines of HAProxy text that have a counterpart here, gathered over the templates of one port.

import { createHash } from 'node:crypto';
import type { HeaderChange, Hsts, OptionsEntry, PathChange } from '../options-record.ts';
import type { CheckRule, ServiceEntry, ServiceTimeouts, Sticky } from '../service-record.ts';
import { checkLine } from './check-fragments.ts';
import { rewriteLine } from './glue-fragments.ts';
import { durationMs } from './haproxy-duration.ts';
import { serverWords, stickyLine } from './server-fragments.ts';

export interface Fragments {
  readonly redirectCode: number | null;
  readonly hsts: Partial<Hsts>;
  readonly users: readonly { readonly name: string; readonly hash: string }[];
  readonly options: Partial<OptionsEntry>;
  readonly service: Partial<ServiceEntry>;
  readonly sticky: Partial<Sticky>;
  readonly check: Partial<CheckRule>;
  /** Of all backends, instead of what each task listens on. */
  readonly fixedPort: number | null;
  /** Words of the service port's `bind`, as in HAPROXY_<n>_BIND_OPTIONS. */
  readonly bind: { readonly address: string | null; readonly words: readonly string[] };
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

export class FragmentReader {
  #redirectCode: number | null = null;
  #hsts: Partial<Hsts> = {};
  readonly #users: { name: string; hash: string }[] = [];
  readonly #request: HeaderChange[] = [];
  readonly #response: HeaderChange[] = [];
  readonly #path: PathChange[] = [];
  readonly #errorFiles: Record<string, string> = {};
  readonly #timeouts: Writable<ServiceTimeouts> = {};
  readonly #service: Writable<Partial<ServiceEntry>> = {};
  readonly #sticky: Writable<Partial<Sticky>> = {};
  readonly #check: Writable<Partial<CheckRule>> = {};
  readonly #proxypass: string;
  #fixedPort: number | null = null;
  #bind: Fragments['bind'] = { address: null, words: [] };
  #compress = false;

  /** `proxypass`: the value of HAPROXY_<n>_HTTP_BACKEND_PROXYPASS_PATH; '' where there is none. */
  constructor(proxypass = '') {
    this.#proxypass = proxypass;
  }

  /** Takes what it knows of a template; returns the lines that it does not. */
  read(suffix: string, text: string): readonly string[] {
    // Line ends are written as two characters too; those of a check's request belong to it.
    const lines = text.split(/\n|(?<!\\r)\\n/).map((line) => line.trim().replaceAll('{{', '{').replaceAll('}}', '}'));
    if (suffix.startsWith('BACKEND_SERVER_')) return lines.flatMap((line) => this.#server(line));
    return lines.filter((line) => line !== '' && !line.startsWith('#') && !this.#line(suffix, line));
  }

  result(): Fragments {
    const timeouts = Object.keys(this.#timeouts).length === 0 ? {} : { timeouts: this.#timeouts };
    return {
      redirectCode: this.#redirectCode,
      hsts: this.#hsts,
      users: this.#users,
      options: {
        ...(this.#request.length === 0 ? {} : { requestHeaders: this.#request }),
        ...(this.#response.length === 0 ? {} : { responseHeaders: this.#response }),
        ...(this.#path.length === 0 ? {} : { path: this.#path }),
        ...(Object.keys(this.#errorFiles).length === 0 ? {} : { errorFiles: this.#errorFiles }),
        ...(this.#compress ? { compress: true } : {}),
      },
      service: { ...this.#service, ...timeouts },
      sticky: this.#sticky,
      check: this.#check,
      fixedPort: this.#fixedPort,
      bind: this.#bind,
    };
  }

  #server(line: string): readonly string[] {
    const [, port] = /\{host_ipv4\}:(\d{1,5})(?![\d])/.exec(line) ?? [];
    if (port !== undefined && Number(port) > 0 && Number(port) < 65_536) this.#fixedPort = Number(port);
    return serverWords(line, this.#service, this.#check);
  }

  #line(suffix: string, line: string): boolean {
    if (given.some((pattern) => pattern.test(line))) return true;
    if (suffix.endsWith('HEALTHCHECK_OPTIONS')) return checkLine(line, this.#check);
    if (suffix === 'BACKEND_STICKY_OPTIONS') return stickyLine(line, this.#sticky);
    if (suffix === 'BACKEND_HSTS_OPTIONS') return this.#hstsLine(line);
    if (suffix === 'FRONTEND_HEAD' && this.#bindLine(line)) return true;
    return this.#user(line) || this.#timeout(line) || this.#rewrite(line) || this.#header(line) || this.#other(line);
  }

  #user(line: string): boolean {
    const [, name, kind, secret] = /^user (\S+) (password|insecure-password) (\S+)/.exec(line) ?? [];
    if (name === undefined || secret === undefined) return false;
    // Clear in the label, it is shown nowhere else; a slower hash would protect nothing and cost at every change.
    const sha = (): string => `{SHA}${createHash('sha1').update(secret).digest('base64')}`;
    this.#users.push({ name, hash: kind === 'password' ? secret : sha() });
    return true;
  }

  #timeout(line: string): boolean {
    const [, kind, time] = /^timeout (server|connect|queue|tunnel) +(\S+)$/.exec(line) ?? [];
    const ms = time === undefined ? null : durationMs(time);
    if (kind === undefined || ms === null) return false;
    if (kind === 'server') this.#timeouts.responseMs = this.#timeouts.answerMs = ms;
    else if (kind === 'connect') this.#timeouts.connectMs = ms;
    else if (kind === 'queue') this.#timeouts.queueMs = ms;
    else this.#timeouts.tunnelMs = ms;
    return true;
  }

  #header(line: string): boolean {
    const [, side, change, name, value = ''] =
      /^http-(request|response) (set|add|del)-header (\S+)(?: +(.+))?$/.exec(line) ?? [];
    if (side !== undefined && change !== undefined && name !== undefined) {
      const made = headerChange(change, name, value);
      if (made === null) return false;
      (side === 'request' ? this.#request : this.#response).push(made);
      return true;
    }
    const [, old, field, text] = /^(rspadd|reqadd) +([^:\s]+):(?:\\? )?(.*)$/.exec(line) ?? [];
    if (old === undefined || field === undefined) return false;
    const into = old === 'rspadd' ? this.#response : this.#request;
    into.push({ change: 'add', name: field, value: (text ?? '').replaceAll('\\ ', ' ').trim() });
    return true;
  }

  #rewrite(line: string): boolean {
    const changes = rewriteLine(line, this.#proxypass);
    if (changes === null) return false;
    this.#path.push(...changes);
    return true;
  }

  /** `bind ADDRESS:{servicePort}` and its words; another number is another port's affair. */
  #bindLine(line: string): boolean {
    const [, address = '', rest = ''] = /^bind +([^\s:]+|\[[^\]]+\]):\{servicePort\}(.*)$/.exec(line) ?? [];
    if (address === '') return false;
    const words = rest.split(/\s+/).map((word) => word.replace(/\{(?:sslCert|bindOptions)\}/g, ''));
    const own = address === '{bindAddr}' ? null : address;
    this.#bind = { address: own, words: words.filter((word) => word !== '') };
    return true;
  }

  #other(line: string): boolean {
    const [redirect, code] =
      /^(?:http-request +)?redirect +scheme +https(?: +code +(301|302|303|307|308))?(?: +(?:if|unless) .*)?$/.exec(
        line,
      ) ?? [];
    if (redirect !== undefined) {
      this.#redirectCode = code === undefined ? 302 : Number(code);
      return true;
    }
    if (/^compression +(?:algo|type)(?: |$)/.test(line)) {
      this.#compress ||= line.includes('algo');
      return true;
    }
    const [, field] =
      /^option +forwardfor(?: +except +\S+)* +header +([!#$%&'*+.^_`|~\w-]+)(?: +except +\S+)*$/.exec(line) ?? [];
    if (field !== undefined) {
      this.#request.push({ change: 'set', name: field, value: '', variable: 'client-address' });
      return true;
    }
    const [, retries] = /^retries +(\d+)$/.exec(line) ?? [];
    if (retries !== undefined) this.#service.retries = { attempts: Number(retries), on: ['connect', 'refused'] };
    const [, status, file] = /^errorfile +(\d{3}) +(\S+)$/.exec(line) ?? [];
    if (status !== undefined && file !== undefined) this.#errorFiles[status] = file;
    if (/^option +httpclose$/.test(line)) this.#service.keepAlive = false;
    return retries !== undefined || status !== undefined || /^option +httpclose$/.test(line);
  }

  #hstsLine(line: string): boolean {
    const [, value] = /Strict-Transport-Security:?\\?[ "]+(.*?)"?$/i.exec(line) ?? [];
    const age = /max-age=(\d+)/i.exec(value ?? '')?.[1];
    if (age === undefined) return false;
    this.#hsts = {
      maxAgeSeconds: Number(age),
      includeSubdomains: /includeSubDomains/i.test(line),
      preload: /preload/i.test(line),
    };
    return true;
  }
}

/** Lines of Marathon-LB's own templates, and what is so here anyway. */
const given: readonly RegExp[] = [
  /^(backend|frontend) \{backend\}$/,
  /^balance \{balance\}$/,
  /^mode \{mode\}$/,
  /^userlist user_\{backend\}$/,
  /^user \{user\} password \{passwd\}$/,
  /^(no +)?option +(http-keep-alive|http-server-close|redispatch|dontlognull|dontlog-normal|abortonclose|httplog|tcplog|tcp-check)$/,
  /^(no +)?option +forwardfor( +(except +\S+|if-none))*$/,
  /^http-request set-header X-Forwarded-Port %\[dst_port\]$/i,
  /^http-request add-header X-Forwarded-Proto https if \{ ssl_fc \}$/i,
  /^use_backend \{backend\}( if .*)?$/,
  /^default_backend \{backend\}$/,
  /^acl host_\{cleanedUpHostname\} hdr\(host\) -i \{hostname\}$/,
  // The client's address is that of X-Forwarded-For where a trusted proxy says it, without a word.
  /^acl network_allowed (src|(req\.)?hdr_ip\(x-forwarded-for(,-?\d+)?\)) \{network_allowed\}$/i,
  /^(http-request allow if network_allowed|http-request deny|tcp-request content (accept if network_allowed|reject))$/,
];

function headerChange(word: string, name: string, text: string): HeaderChange | null {
  const change = word === 'del' ? 'delete' : word === 'set' ? 'set' : 'add';
  const value = text.replace(/^"(.*)"$/, '$1').replaceAll('\\ ', ' ');
  if (/(?:^|\s)(if|unless) /.test(value) || !/^[!#$%&'*+.^_`|~\w-]+$/.test(name)) return null;
  if (value === '%[src]' || value === '%ci') return { change, name, value: '', variable: 'client-address' };
  if (value === '%[dst_port]' || value === '%fp') return { change, name, value: '', variable: 'local-port' };
  return value.includes('%[') || /[\r\n\0]/.test(value) ? null : { change, name, value };
}
