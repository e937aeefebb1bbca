// The names of Marathon-LB's labels, and what ignoring one of its templates would open (specs/l7.md §1.5, §1.6).

/** Suffixes behind `HAPROXY_<n>_` that are plain values. */
const valueNames: readonly string[] = [
  'GROUP',
  'VHOST',
  'PATH',
  'BACKEND_WEIGHT',
  'ENABLED',
  'MODE',
  'PORT',
  'BALANCE',
  'STICKY',
  'REDIRECT_TO_HTTPS',
  'USE_HSTS',
  'SSL_CERT',
  'BIND_OPTIONS',
  'BIND_ADDR',
  'AUTH',
  'HTTP_BACKEND_PROXYPASS_PATH',
  'HTTP_BACKEND_REVPROXY_PATH',
  'HTTP_BACKEND_REDIR',
  'BACKEND_NETWORK_ALLOWED_ACL',
  'BACKEND_HEALTHCHECK_PORT_INDEX',
];

export interface FragmentTemplate {
  /** Ignoring a line of it: `error` where that changes who gets what. */
  readonly severity: 'warn' | 'error';
  /** Words that make it an error all the same. */
  readonly opening?: RegExp;
  /** The label without which Marathon-LB does not look at it. */
  readonly requires?: string;
}

const denials = /\b(deny|auth|reject|silent-drop|tarpit)\b/;

/** Templates whose lines are read one by one, and what it is to ignore one (specs/l7.md §1.6). */
export const fragmentTemplates: Readonly<Record<string, FragmentTemplate>> = {
  USERLIST_HEAD: { severity: 'error' },
  FRONTEND_HEAD: { severity: 'warn', opening: /\b(acl|deny|auth|reject|silent-drop|tarpit|verify|ca-file|crl-file)\b/ },
  BACKEND_HEAD: { severity: 'warn', opening: denials },
  BACKEND_HTTP_OPTIONS: { severity: 'warn', opening: denials },
  BACKEND_REDIRECT_HTTP_TO_HTTPS: { severity: 'warn' },
  BACKEND_REDIRECT_HTTP_TO_HTTPS_WITH_PATH: { severity: 'warn' },
  BACKEND_HSTS_OPTIONS: { severity: 'warn' },
  HTTP_BACKEND_PROXYPASS_GLUE: { severity: 'error', requires: 'HTTP_BACKEND_PROXYPASS_PATH' },
  HTTP_BACKEND_REVPROXY_GLUE: { severity: 'error', requires: 'HTTP_BACKEND_REVPROXY_PATH' },
  BACKEND_HTTP_HEALTHCHECK_OPTIONS: { severity: 'warn' },
  BACKEND_TCP_HEALTHCHECK_OPTIONS: { severity: 'warn' },
  BACKEND_SERVER_HTTP_HEALTHCHECK_OPTIONS: { severity: 'warn' },
  BACKEND_SERVER_TCP_HEALTHCHECK_OPTIONS: { severity: 'warn' },
  BACKEND_STICKY_OPTIONS: { severity: 'warn' },
  BACKEND_SERVER_OPTIONS: { severity: 'warn', opening: /\b(verify|ca-file|crl-file)\b/ },
  FRONTEND_BACKEND_GLUE: { severity: 'warn', opening: /\b(acl|deny|auth|reject|silent-drop|tarpit)\b/ },
  HTTP_BACKEND_NETWORK_ALLOWED_ACL: { severity: 'error' },
  TCP_BACKEND_NETWORK_ALLOWED_ACL: { severity: 'error' },
};

/** Templates that decide who is served by which app. */
export const aclTemplates: readonly string[] = [
  'HTTP_FRONTEND_ACL',
  'HTTP_FRONTEND_ACL_ONLY',
  'HTTP_FRONTEND_ACL_WITH_AUTH',
  'HTTP_FRONTEND_ACL_WITH_PATH',
  'HTTP_FRONTEND_ACL_WITH_AUTH_AND_PATH',
  'HTTP_FRONTEND_ACL_ONLY_WITH_PATH',
  'HTTP_FRONTEND_ACL_ONLY_WITH_PATH_AND_AUTH',
  'HTTP_FRONTEND_ROUTING_ONLY',
  'HTTP_FRONTEND_ROUTING_ONLY_WITH_AUTH',
  'HTTP_FRONTEND_ROUTING_ONLY_WITH_PATH',
  'HTTP_FRONTEND_ROUTING_ONLY_WITH_PATH_AND_AUTH',
  'HTTPS_FRONTEND_ACL',
  'HTTPS_FRONTEND_ACL_WITH_AUTH',
  'HTTPS_FRONTEND_ACL_WITH_PATH',
  'HTTPS_FRONTEND_ACL_WITH_AUTH_AND_PATH',
  'HTTPS_FRONTEND_ACL_ONLY_WITH_PATH',
];

/** Read by its own rule: it decides whether the app has a name on the front end for app ids. */
export const appIdTemplate = 'HTTP_FRONTEND_APPID_ACL';

/** Known, and without effect in Marathon-LB too. */
export const idleNames: ReadonlySet<string> = new Set([
  'MAP_HTTP_FRONTEND_ACL',
  'MAP_HTTP_FRONTEND_ACL_ONLY',
  'MAP_HTTP_FRONTEND_APPID_ACL',
  'MAP_HTTPS_FRONTEND_ACL',
]);

/** Templates of the whole balancer, which no app may replace. */
export const globalNames: ReadonlySet<string> = new Set([
  'HEAD',
  'HTTP_FRONTEND_HEAD',
  'HTTP_FRONTEND_APPID_HEAD',
  'HTTPS_FRONTEND_HEAD',
  'HTTPS_GROUPED_FRONTEND_HEAD',
  'HTTPS_GROUPED_VHOST_FRONTEND_HEAD',
  'HTTPS_GROUPED_VHOST_BACKEND_HEAD',
  'HTTPS_GROUPED_VHOST_FRONTEND_ACL',
  'HTTP_BACKEND_ACL_ALLOW_DENY',
  'TCP_BACKEND_ACL_ALLOW_DENY',
  'HTTPS_FRONTEND_AUTH_ACL_ONLY',
  'HTTPS_FRONTEND_AUTH_REQUEST_ONLY',
]);

/** Labels of the app as a whole, without a port. */
export const appNames: ReadonlySet<string> = new Set([
  'HAPROXY_GROUP',
  'HAPROXY_DEPLOYMENT_GROUP',
  'HAPROXY_DEPLOYMENT_ALT_PORT',
  'HAPROXY_DEPLOYMENT_COLOUR',
  'HAPROXY_DEPLOYMENT_STARTED_AT',
  'HAPROXY_DEPLOYMENT_TARGET_INSTANCES',
  'HAPROXY_DEPLOYMENT_NEW_INSTANCES',
  'HAPROXY_APP_ID',
]);

export const portNames: ReadonlySet<string> = new Set([
  ...valueNames,
  ...Object.keys(fragmentTemplates),
  ...aclTemplates,
  appIdTemplate,
  ...idleNames,
]);
