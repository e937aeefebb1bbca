// Why an address of a VIP cannot be opened, and what helps, in one line.

import { vipTarget } from '../vip-record.ts';

export function bindProblem(code: string, ip: string, port: number): string {
  const target = vipTarget(ip, port);
  switch (code) {
    case 'EACCES':
      return `${target} needs privilege (a port below 1024): start as root, give CAP_NET_BIND_SERVICE, or use a higher port`;
    case 'EADDRNOTAVAIL':
      return `${ip} is no address of this machine: make the range local (ip route add local RANGE dev lo) or use a 127.x range`;
    case 'EADDRINUSE':
      return `${target} is taken by another program`;
    case 'EMFILE':
    case 'ENFILE':
      return `${target} finds no free file descriptor: raise the limit (LimitNOFILE)`;
    default:
      return `${target} cannot be opened (${code})`;
  }
}
