// The inbound L7 router: the view of routes, the function that serves them, and the explanation of both.

export { createRouteView, type RouteViewOptions } from './route-view.ts';
export {
  createRouterFunction,
  type RouterFunction,
  type RouterOptions,
  type RouterTimeouts,
} from './router-function.ts';
export { explainRequest, type ExplainedRequest, type ExplainedRoute, type RouteExplanation } from './explain.ts';
export type { AccessLogFormat, AccessLogOptions } from './access-log.ts';
export type { HostAuthority } from './app-claims.ts';
export type { RouteEntry, RouteRecord, SetEntry } from './route-record.ts';
export type { StaticRoute } from './static-routes.ts';
