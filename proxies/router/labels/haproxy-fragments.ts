// Lines of HAProxy text that have a counterpart here, gathered over the templates of one port.

import type { HeaderChange, Hsts, OptionsEntry, PathChange } from '../options-record.ts';
import type { CheckRule, ServiceEntry, ServiceTimeouts, Sticky } from '../service-record.ts';
import { durationMs } from './haproxy-duration.ts';
import { checkLine, serverWords, stickyLine } from './server-fragments.ts';

export interface Fragments {
  readonly redirectCode: number | null;
  readonly hsts: Partial<Hsts>;
  readonly users: readonly { readonly name: string; readonly hash: string }[];
  readonly options: Partial<OptionsEntry>;
  readonly service: Partial<ServiceEntry>;
  readonly sticky: Partial<Sticky>;
  readonly check: Partial<CheckRule>;
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

  /** Takes what it knows of a template; returns the lines that it does not. */
  read(suffix: string, text: string): readonly string[] {
    const lines = text.split(/\n|\\n/).map((line) => line.trim().replaceAll('{{', '{').replaceAll('}}', '}'));
    if (suffix === 'BACKEND_SERVER_OPTIONS' || suffix.startsWith('BACKEND_SERVER_'))
      return lines.flatMap((line) => serverWords(line, this.#service, this.#check));
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
      },
      service: { ...this.#service, ...timeouts },
      sticky: this.#sticky,
      check: this.#check,
    };
  }

  #line(suffix: string, line: string): boolean {
    if (given.some((pattern) => pattern.test(line))) return true;
    if (suffix.endsWith('HEALTHCHECK_OPTIONS')) return checkLine(line, this.#check);
    if (suffix === 'BACKEND_STICKY_OPTIONS') return stickyLine(line, this.#sticky);
    if (suffix === 'BACKEND_HSTS_OPTIONS') return this.#hstsLine(line);
    return this.#user(line) || this.#timeout(line) || this.#header(line) || this.#rewrite(line) || this.#other(line);
  }

  #user(line: string): boolean {
    const [, name, kind, secret] = /^user (\S+) (password|insecure-password) (\S+)/.exec(line) ?? [];
    // A clear password would have to be hashed here, at every change of a label: it stays a line that is not understood.
    if (name === undefined || secret === undefined || kind !== 'password') return false;
    this.#users.push({ name, hash: secret });
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
    const [, path] = /^http-request set-path (\/\S*)$/.exec(line) ?? [];
    if (path !== undefined && !path.includes('%[')) {
      this.#path.push({ change: 'replace', path, reports: false });
      return true;
    }
    const [, regex, text] = /^http-request replace-path (\S+) (\S+)$/.exec(line) ?? [];
    if (regex === undefined || text === undefined || !isSafeRegex(regex)) return false;
    const replacement = text.replace(/\\(\d)/g, '$$$1');
    this.#path.push({ change: 'replace-regex', regex, replacement, ignoreCase: false, reports: false });
    return true;
  }

  #other(line: string): boolean {
    const [, code] = /^redirect +scheme +https(?: +code +(301|302|303|307|308))?(?: +if .*)?$/.exec(line) ?? [];
    if (line.startsWith('redirect scheme https')) {
      this.#redirectCode = code === undefined ? 302 : Number(code);
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
  /^bind \{bindAddr\}:\{servicePort\}/,
  /^userlist user_\{backend\}$/,
  /^user \{user\} password \{passwd\}$/,
  /^option +(forwardfor|http-keep-alive|http-server-close|redispatch|dontlognull|httplog|tcplog)$/,
  /^(no )?option +forwardfor( +(header|except) +\S+)*$/,
  /^http-request set-header X-Forwarded-Port %\[dst_port\]$/i,
  /^http-request add-header X-Forwarded-Proto https if \{ ssl_fc \}$/i,
  /^use_backend \{backend\}( if .*)?$/,
  /^default_backend \{backend\}$/,
  /^acl host_\{cleanedUpHostname\} hdr\(host\) -i \{hostname\}$/,
  /^(acl network_allowed src \{network_allowed\}|http-request allow if network_allowed.*|http-request deny|tcp-request content (accept if network_allowed|reject))$/,
];

function headerChange(word: string, name: string, text: string): HeaderChange | null {
  const change = word === 'del' ? 'delete' : word === 'set' ? 'set' : 'add';
  const value = text.replace(/^"(.*)"$/, '$1').replaceAll('\\ ', ' ');
  if (/(?:^|\s)(if|unless) /.test(value) || !/^[!#$%&'*+.^_`|~\w-]+$/.test(name)) return null;
  if (value === '%[src]' || value === '%ci') return { change, name, value: '', variable: 'client-address' };
  if (value === '%[dst_port]' || value === '%fp') return { change, name, value: '', variable: 'local-port' };
  return value.includes('%[') || /[\r\n\0]/.test(value) ? null : { change, name, value };
}

const isSafeRegex = (source: string): boolean => {
  if (source.length > 512 || /\([^)]*[+*}][^)]*\)\s*[+*{]/.test(source) || /\\[1-9]/.test(source)) return false;
  try {
    return new RegExp(source).source !== '';
  } catch {
    return false;
  }
};
