// Hashes for choosing: the same in every process and on every edge.

/** MurmurHash3's finaliser over a hash and a draw: inputs that differ in any bit (addresses of one network) spread over all 32. */
export function mix(hash: number, draw: number): number {
  let mixed = (hash + Math.imul(draw, 0x9e3779b9)) | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** An index below `length`. */
export const mixedIndex = (hash: number, draw: number, length: number): number =>
  Math.floor((mix(hash, draw) / 4294967296) * length);

/** FNV-1a over UTF-16 code units, from `seed`: of a client's address, a path, a field's value. */
export function hashOfText(text: string, seed = 0x811c9dc5): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
