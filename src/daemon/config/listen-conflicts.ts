// The same address given to two listeners: the second could not be bound. Looks at plain values, so that it works beside other mistakes.

import { type Address, parseListenAddress } from './host-port.ts';
import { isMistake } from './mistake.ts';
import { eachPort } from './port-range.ts';
import { type ConfigPath, type Finding, pathText } from './problem.ts';
import { isMap, rawAt, rawList } from './raw-value.ts';

interface Listener extends Address {
  readonly path: ConfigPath;
}

/** Keys that listen; `written` is what they are read as where absent, in a section that is there. */
const listeners: readonly { readonly path: readonly [string, ...string[]]; readonly written?: string }[] = [
  { path: ['dns', 'listen'], written: '127.0.0.1:53' },
  { path: ['dns', 'http'], written: '127.0.0.1:8123' },
  { path: ['dcosNet'] },
  { path: ['router', 'http'], written: '0.0.0.0:80' },
  { path: ['router', 'https'], written: '0.0.0.0:443' },
  { path: ['router', 'appIdHeader'] },
  { path: ['router', 'haproxyEndpoints'] },
  { path: ['socks', 'listen'], written: '127.0.0.1:1080' },
  { path: ['httpProxy', 'listen'], written: '127.0.0.1:3128' },
  { path: ['admin', 'listen'], written: '127.0.0.1:9099' },
];

export function listenConflicts(tree: unknown): readonly Finding[] {
  const seen: Listener[] = [];
  const findings: Finding[] = [];
  for (const listener of allListeners(tree)) {
    const other = listener.port === 0 ? undefined : seen.find((earlier) => meet(earlier, listener));
    seen.push(listener);
    if (other !== undefined) findings.push(conflict(listener, other));
  }
  return findings;
}

function allListeners(tree: unknown): readonly Listener[] {
  const fixed = listeners.flatMap(({ path, written }) => {
    if (!isMap(rawAt(tree, path.slice(0, 1))) && path.length > 1) return [];
    return entries(path, rawAt(tree, path) ?? written);
  });
  const forwards = rawList(rawAt(tree, ['forwards'])).flatMap((forward, index) =>
    isMap(forward) ? entries(['forwards', index, 'listen'], forward['listen']) : [],
  );
  return [...fixed, ...forwards];
}

function entries(path: ConfigPath, value: unknown): readonly Listener[] {
  return rawList(value).flatMap((text, index) => {
    const addresses = typeof text === 'string' ? eachPort(text.trim(), parseListenAddress) : [];
    if (isMistake(addresses)) return [];
    return addresses.map((address) => ({ ...address, path: Array.isArray(value) ? [...path, index] : path }));
  });
}

/** An address of all addresses meets every other of its port; `[::]` takes IPv4 connections too. */
function meet(a: Address, b: Address): boolean {
  if (a.port !== b.port) return false;
  return a.host === b.host || takesAll(a, b) || takesAll(b, a);
}

function takesAll(a: Address, b: Address): boolean {
  return a.host === '::' || (a.host === '0.0.0.0' && !b.host.includes(':'));
}

function conflict(listener: Listener, other: Listener): Finding {
  const spelt = listener.host.includes(':')
    ? `[${listener.host}]:${listener.port}`
    : `${listener.host}:${listener.port}`;
  const message = `listens on ${spelt}, ${relation(listener, other)}`;
  return { path: listener.path, message, remedy: 'give one of them another address or port', severity: 'error' };
}

function relation(listener: Listener, other: Listener): string {
  const place = pathText(other.path);
  if (listener.host === other.host) return `as ${place} does`;
  return takesAll(other, listener)
    ? `a port that ${place} takes on every address`
    : `on every address, that of ${place} among them`;
}
