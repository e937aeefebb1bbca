// Files that are allowed to be longer than 400 lines, each with the reason why it is not two.

export const longFiles: Readonly<Record<string, string>> = {
  'test/lb/vip-function.test.ts':
    'one harness of real sockets, one promise of the user-space plane a test; two files would share most of it',
  'test/proxies/socks/socks.test.ts': 'one harness of raw clients, one promise of SOCKS a test; the same',
};
