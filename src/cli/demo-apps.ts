// What runs in the demo: a homepage, a groupware and an e-contract service, as their teams would deploy them.

/** An app definition as Marathon takes it. */
export type AppDefinition = Readonly<Record<string, unknown>> & { readonly id: string };

interface ContainerOptions {
  readonly port: number;
  readonly name: string;
  readonly vip: string;
  readonly instances?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly check?: boolean;
}

/** Apps of the root Marathon. */
export const rootApps: readonly AppDefinition[] = [
  onOverlay('/homepage/web', 'ovl-homepage-web', {
    port: 8080,
    name: 'http',
    vip: '/homepage-web:8080',
    instances: 2,
    labels: { HAPROXY_GROUP: 'external', HAPROXY_0_VHOST: 'www.homepage.example' },
    check: true,
  }),
  onOverlay('/homepage/db', 'ovl-homepage-db', { port: 3306, name: 'mysql', vip: '/homepage-db:3306' }),
  onBridge('/groupware/nginx', {
    port: 8080,
    name: 'http',
    vip: '/groupware-nginx:8080',
    labels: { HAPROXY_GROUP: 'external', HAPROXY_0_VHOST: 'groupware.example' },
    check: true,
  }),
  onOverlay('/groupware/tomcat', 'ovl-gw-was', {
    port: 8080,
    name: 'http',
    vip: '/groupware-was:8080',
    instances: 2,
    labels: { HAPROXY_GROUP: 'external', HAPROXY_0_VHOST: 'groupware.example', HAPROXY_0_PATH: '/was' },
    check: true,
  }),
  onOverlay('/groupware/batch', 'ovl-gw-was', { port: 8080, name: 'http', vip: '/groupware-batch:8080' }),
];

/** Apps of the Marathon that runs on the root one. */
export const contractApps: readonly AppDefinition[] = [
  onBridge('/e-contract/was', {
    port: 8080,
    name: 'http',
    vip: '/econtract-was:8080',
    instances: 2,
    labels: { HAPROXY_GROUP: 'external', HAPROXY_0_VHOST: 'contract.example' },
    check: true,
  }),
];

function onOverlay(id: string, network: string, options: ContainerOptions): AppDefinition {
  return app(id, { mode: 'container', name: network }, options, { containerPort: options.port });
}

function onBridge(id: string, options: ContainerOptions): AppDefinition {
  return app(id, { mode: 'container/bridge' }, options, { containerPort: options.port, hostPort: 0 });
}

function app(id: string, network: object, options: ContainerOptions, mapping: object): AppDefinition {
  const { name, vip, instances = 1, labels = {}, check = false } = options;
  const healthChecks = [
    {
      protocol: 'MESOS_HTTP',
      path: '/health',
      portIndex: 0,
      gracePeriodSeconds: 5,
      intervalSeconds: 1,
      timeoutSeconds: 1,
    },
  ];
  return {
    id,
    instances,
    labels,
    networks: [network],
    container: {
      type: 'DOCKER',
      docker: { image: `registry.example${id}:1` },
      portMappings: [{ ...mapping, name, protocol: 'tcp', labels: { VIP_0: vip } }],
    },
    taskKillGracePeriodSeconds: 2,
    ...(check ? { healthChecks } : {}),
  };
}
