// VIPs of the tests in this folder, written short.

import type { VipOptions } from '../../../lb/vip-options.ts';
import type { VipRecord } from '../../../lb/vip-record.ts';
import { backendKey, type Backend } from '../../../src/cluster/index.ts';

function backend(text: string): Backend {
  const [address = '', weight = '1'] = text.split('/');
  const [, ip = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(address) ?? [];
  const state = Number(weight) > 0 ? 'up' : 'draining';
  const key = backendKey(ip, Number(port));
  return { key, ip, port: Number(port), task: null, weight: Number(weight), state, zone: null };
}

/** `tcp/11.0.0.1:80`, backends as `IP:PORT/WEIGHT`. */
export function vip(key: string, backends: readonly string[], options?: VipOptions): readonly [string, VipRecord] {
  const [, protocol = 'tcp', ip = '', port = ''] = /^(\w+)\/\[?(.*?)\]?:(\d+)$/.exec(key) ?? [];
  const record: VipRecord = {
    key,
    protocol: protocol as 'tcp' | 'udp',
    name: null,
    ips: [ip],
    port: Number(port),
    set: { id: key, backends: backends.map(backend) },
    ...(options === undefined ? {} : { options }),
  };
  return [key, record];
}
