// Whether an address is this machine talking to itself.

import { compileCidrs } from './cidr.ts';

const { matcher } = compileCidrs(['127.0.0.0/8', '::1/128']);

/** 127.0.0.0/8 and ::1, the former also in its IPv4-mapped spelling. */
export const isLoopback = (ip: string): boolean => matcher.has(ip);
