// The PROXY header in front of a forward: shared with the other proxies.

export { awaitIntroduction, parseIntroduction } from '../access/index.ts';
