// `options:` records: what is done to a request and its answer between the listener and the service, as the labels of one port (or of one
// Traefik frontend) ask for. Absent fields mean nothing is done. Password hashes travel here and are shown nowhere: see `withoutSecrets`.

import type { Faults } from './traffic-record.ts';

/** Key: `options:` and `id`. */
export interface OptionsEntry {
  readonly kind: 'options';
  readonly id: string;
  /** To https on the plain entry point; other listeners stay as they are. */
  readonly redirectToHttps?: HttpsRedirect;
  /** As one of the security headers of Traefik, behind `allowedHosts`. */
  readonly sslRedirect?: HttpsRedirect;
  /** By an expression on the whole URL, after the one to https. */
  readonly redirectUrl?: UrlRedirect;
  /** HAPROXY_<n>_HTTP_BACKEND_REDIR: where exactly `/` of these hosts is redirected to, with 301, on every listener. */
  readonly redirectRoot?: { readonly to: string; readonly hosts: readonly string[] };
  readonly hsts?: Hsts;
  readonly auth?: Auth;
  readonly networks?: AllowedNetworks;
  /** Other hosts than these (lower case) are answered with 500. */
  readonly allowedHosts?: { readonly hosts: readonly string[]; readonly proxyHeaders: readonly string[] };
  /** In this order, the forwarding fields being there already. */
  readonly requestHeaders?: readonly HeaderChange[];
  /** On answers of the backend, before those of `securityHeaders`. */
  readonly responseHeaders?: readonly HeaderChange[];
  /** Fields set on every answer of the route, local ones included. */
  readonly securityHeaders?: readonly HeaderChange[];
  /** In this order. */
  readonly path?: readonly PathChange[];
  readonly location?: LocationChange;
  /** Host field to the backend: absent: the client's; `server`: the backend's address; else this text. */
  readonly host?: 'server' | { readonly text: string };
  readonly errorPages?: readonly ErrorPage[];
  /** Answers of our own with these bodies, PEM-like files of HAProxy's `errorfile`: status to path. */
  readonly errorFiles?: Readonly<Record<string, string>>;
  readonly rateLimit?: RateLimit;
  /** Requests under way for each key; more are answered with 429. */
  readonly inFlight?: { readonly amount: number; readonly key: RequestKey };
  readonly buffering?: Buffering;
  /** Answers are compressed where the client takes it. */
  readonly compress?: boolean;
  /** Facts of the client's certificate for the backend. */
  readonly clientCertificate?: ClientCertificateFields;
  /** The path goes on as it came, dot segments unresolved. */
  readonly rawPath?: boolean;
  /** True: X-Forwarded-For and -Proto of strangers go on, with a line of ours behind (Marathon-LB as measured). Absent: ours alone. */
  readonly appendsForwarded?: boolean;
  /** Behind passwords and limits, so that strangers cannot try them. */
  readonly faults?: Faults;
}

export interface HttpsRedirect {
  /** Absent: to https, from http alone. `http`: the other way round. */
  readonly scheme?: 'http';
  /** 301, 302, 307 or 308, for GET and HEAD. */
  readonly code: number;
  /** For all other methods. */
  readonly otherCode: number;
  /** Port of the https address; null: none is written. */
  readonly port: number | null;
  /** Replaces the host; absent: the host as asked, with its port off. */
  readonly host?: string;
  /** True: the Host as sent, `:80` and all (Marathon-LB as measured). Absent: no. */
  readonly hostAsSent?: boolean;
  /** True: to `host` from any other one over TLS too. Absent: no. */
  readonly forcesHost?: boolean;
  /** Fields by which somebody in front says that the client came by TLS; absent: none but X-Forwarded-Proto of a trusted peer. */
  readonly secureIf?: readonly (readonly [name: string, value: string])[];
}

export interface UrlRedirect {
  /** JavaScript source, found anywhere in the URL; `replacement` has `$1` and `${1}`. */
  readonly regex: string;
  readonly replacement: string;
  /** 301 instead of 302 for GET, 308 instead of 307 for others. */
  readonly permanent: boolean;
}

export interface Hsts {
  readonly maxAgeSeconds: number;
  readonly includeSubdomains: boolean;
  readonly preload: boolean;
  /** On plain answers too, against RFC 6797 §7.2. */
  readonly always: boolean;
}

export type Auth = BasicAuth | DigestAuth | ForwardAuth;

interface AuthCommon {
  /** False: on http and https alone, as Marathon-LB has it; service ports and app ids stay open. */
  readonly everywhere: boolean;
  /** Field for the user's name to the backend; absent: none. */
  readonly userHeader?: string;
  /** Authorization does not go on to the backend. Absent: it does. */
  readonly removeHeader?: boolean;
}

export interface BasicAuth extends AuthCommon {
  readonly kind: 'basic';
  readonly realm: string;
  /** Hash: crypt(3) `$1$` `$5$` `$6$`, apr1, `{SHA}`, bcrypt; any other lets nobody in. */
  readonly users: readonly { readonly name: string; readonly hash: string }[];
  /** A file of `name:hash` lines, reread on change; without it readable, 503. */
  readonly usersFile?: string;
}

export interface DigestAuth extends AuthCommon {
  readonly kind: 'digest';
  readonly realm: string;
  /** Hash: MD5 of `user:realm:password`, 32 hex digits. */
  readonly users: readonly { readonly name: string; readonly realm: string; readonly hash: string }[];
  readonly usersFile?: string;
}

/** A request of our own decides: 2xx goes on, anything else is the answer. */
export interface ForwardAuth extends AuthCommon {
  readonly kind: 'forward';
  readonly address: string;
  /** X-Forwarded-* of the client go along as they came. */
  readonly trustForwardHeader: boolean;
  /** Fields of its answer that are copied to the request. */
  readonly responseHeaders: readonly string[];
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string; readonly insecure: boolean };
}

export interface AllowedNetworks {
  /** CIDRs; others get 403, or are closed where the mode is tcp. */
  readonly allowed: readonly string[];
  /** Read from X-Forwarded-For even of peers that are not trusted proxies (Traefik's useXForwardedFor). Absent: the client's address. */
  readonly useForwardedFor?: boolean;
  /** Asked before any redirect, as Traefik does; absent: behind the one to https. */
  readonly first?: boolean;
}

export interface HeaderChange {
  readonly change: 'set' | 'add' | 'delete';
  readonly name: string;
  /** '' for `delete`. */
  readonly value: string;
  /** Instead of `value`: what is known of the connection. */
  readonly variable?: 'client-address' | 'local-port' | 'scheme' | 'host';
}

export type PathChange =
  /** The longest of these that the path begins with goes, case-insensitively where said; what is left begins with a slash. `reports`: says X-Forwarded-Prefix. */
  | {
      readonly change: 'strip';
      readonly prefixes: readonly string[];
      readonly segment: boolean;
      readonly ignoreCase: boolean;
      readonly reports: boolean;
    }
  /** What an expression anchored at the front finds goes. Says X-Forwarded-Prefix. */
  | { readonly change: 'strip-regex'; readonly regexes: readonly string[] }
  | { readonly change: 'add'; readonly prefix: string }
  /** The whole path; says X-Replaced-Path where `reports`. */
  | { readonly change: 'replace'; readonly path: string; readonly reports: boolean }
  | {
      readonly change: 'replace-regex';
      readonly regex: string;
      readonly replacement: string;
      readonly ignoreCase: boolean;
      readonly reports: boolean;
    };

/** HAPROXY_<n>_HTTP_BACKEND_REVPROXY_PATH. */
export interface LocationChange {
  readonly to: string;
  /** Locations of these hosts, and those that begin with a slash. */
  readonly hosts: readonly string[];
  /** False: `to` is all there is of the path afterwards (Marathon-LB as measured). */
  readonly keepPath: boolean;
}

export interface ErrorPage {
  /** `500-599` as `[500, 599]`. */
  readonly statuses: readonly (readonly [from: number, to: number])[];
  /** Id of the set that answers; its service is `service:` with the same id. */
  readonly set: string;
  /** Path and query; `{status}` is replaced. */
  readonly query: string;
}

/** Whose requests are counted together. */
export type RequestKey =
  { readonly by: 'host' } | { readonly by: 'client' } | { readonly by: 'header'; readonly name: string };

export interface RateLimit {
  readonly key: RequestKey;
  /** All hold: `average` requests in `periodMs`, `burst` at once. */
  readonly rates: readonly { readonly periodMs: number; readonly average: number; readonly burst: number }[];
}

/** Whole bodies are held; 0: no limit. */
export interface Buffering {
  readonly requestBytes: number;
  readonly requestMemoryBytes: number;
  readonly responseBytes: number;
  readonly responseMemoryBytes: number;
}

export interface ClientCertificateFields {
  readonly pem: boolean;
  /** Facts in their order: `subject.commonName`, `issuer.country`, `notBefore`, `sans` …; empty: no field. */
  readonly facts: readonly string[];
}

/** The record as it may be shown: hashes gone. */
export function optionsWithoutSecrets(entry: OptionsEntry): OptionsEntry {
  if (entry.auth === undefined || entry.auth.kind === 'forward') return entry;
  if (entry.auth.kind === 'digest')
    return { ...entry, auth: { ...entry.auth, users: entry.auth.users.map((user) => ({ ...user, hash: '***' })) } };
  return { ...entry, auth: { ...entry.auth, users: entry.auth.users.map((user) => ({ ...user, hash: '***' })) } };
}
