// The PROXY header in front of a forward: shared with the other proxies.

export { awaitIntroduction, parseIntroduction, type Introduction } from '../access/index.ts';
