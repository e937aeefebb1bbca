// The inbound L7 router: the view of routes, the function that serves them, and the explanation of both.

export { createRouteView } from './route-view.ts';
export { createRouterFunction } from './router-function.ts';
export { explainRequest } from './explain.ts';
export { appMap, haproxyCsv, haproxyPage, renderedModel, vhostMap } from './haproxy-stats.ts';
export type { AccessLogFormat, AccessLogOptions } from './access-log.ts';
export type { HostAuthority, LabelRules, TraefikRules } from './labels/label-rules.ts';
export type { ExplainedRequest, ExplainedRoute, RouteExplanation } from './explain.ts';
export type * from './options-record.ts';
export type { RoutedRequest, RouteCondition } from './route-condition.ts';
export type * from './route-record.ts';
export { withoutSecrets } from './route-record.ts';
export type { RouterTlsOptions } from './front-door.ts';
export type { RouteViewOptions } from './route-view.ts';
export type * from './service-record.ts';
export type { RouterFunction, RouterOptions, RouterTimeouts } from './router-function.ts';
export type { StaticRoute } from './static-routes.ts';
