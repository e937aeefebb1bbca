// Why addresses of VIPs cannot be opened, and what helps, in one line.

export function bindHint(code: string): string {
  switch (code) {
    case 'EACCES':
      return 'ports below 1024 need privilege: start as root, give CAP_NET_BIND_SERVICE, or use higher ports';
    case 'EADDRNOTAVAIL':
      return 'they are no addresses of this machine: make the range local (ip route add local RANGE dev lo) or use a 127.x range';
    case 'EADDRINUSE':
      return 'another program has them';
    case 'EMFILE':
    case 'ENFILE':
      return 'there is no free file descriptor: raise the limit (LimitNOFILE)';
    default:
      return `the system says ${code}`;
  }
}
