// Ids and numbers from a seed, so that the same script gives the same cluster.
export interface RandomIds {
  // 0 up to, not including, 1.
  next(): number;
  bytes(count: number): Uint8Array;
  // A version 4 UUID in text.
  uuid(): string;
  // A UUID as Mesos writes bytes in JSON.
  base64Uuid(): string;
}

// xorshift with a multiply: small, and good enough that ids do not collide.
function generator(seed: number): () => number {
  let state = (seed * 2654435761 + 1) >>> 0 || 1;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export function randomIds(seed: number): RandomIds {
  const next = generator(seed);
  const bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, () => Math.floor(next() * 256));
  return {
    next,
    bytes,
    uuid() {
      const raw = bytes(16);
      raw[6] = ((raw[6] ?? 0) & 0x0f) | 0x40;
      raw[8] = ((raw[8] ?? 0) & 0x3f) | 0x80;
      const hex = Buffer.from(raw).toString('hex');
      return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
    },
    base64Uuid: () => Buffer.from(bytes(16)).toString('base64'),
  };
}
