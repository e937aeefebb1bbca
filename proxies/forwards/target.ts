// Where a forward leads: `host:port`, `vip:/name:port` or `app:/id:portname`.

import { splitHostPort } from '../../src/cluster/index.ts';
import { parseDestination, type Destination } from '../access/index.ts';

export type ForwardTarget =
  | { readonly kind: 'address'; readonly text: string; readonly destination: Destination; readonly port: number }
  | { readonly kind: 'vip'; readonly text: string; readonly name: string; readonly port: number }
  | { readonly kind: 'app'; readonly text: string; readonly id: string; readonly portName: string };

export interface TargetRejection {
  readonly rejected: string;
}

export function parseForwardTarget(text: string): ForwardTarget | TargetRejection {
  if (text.startsWith('vip:')) return parseVip(text);
  if (text.startsWith('app:')) return parseApp(text);
  const split = splitHostPort(text);
  if (split === null || split.port === 0) return { rejected: `"${text}" is no target; write host:port` };
  const destination = parseDestination(split.host);
  if ('rejected' in destination) return { rejected: `"${text}" is no target: ${destination.rejected}` };
  return { kind: 'address', text, destination, port: split.port };
}

function parseVip(text: string): ForwardTarget | TargetRejection {
  const match = /^vip:(\/?[^:/][^:]*):(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port < 1 || port > 65535) return { rejected: `"${text}" is no VIP; write vip:/name:port` };
  return { kind: 'vip', text, name: match[1] ?? '', port };
}

function parseApp(text: string): ForwardTarget | TargetRejection {
  const match = /^app:(\/[^:]+):([^:]+)$/.exec(text);
  if (match === null) return { rejected: `"${text}" is no app port; write app:/id:portname` };
  return { kind: 'app', text, id: match[1] ?? '', portName: match[2] ?? '' };
}
