// Huffman strings of HPACK (RFC 7541 §5.2, appendix B): decoded by a table of states and half octets, encoded by a table of codes.

/** Code lengths by octet; the code is canonical, so the lengths are the whole of it. The last is the end of string. */
const lengths: readonly number[] = [
  ...[13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28],
  ...[28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8],
  ...[15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13],
  ...[14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28],
  ...[20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23],
  ...[22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23],
  ...[20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27],
  ...[27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23],
  ...[26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30],
];

const endOfString = 256;
const longest = 30;

/** By octet, right-aligned. */
const codes = new Uint32Array(257);
/** Two children a state, in order of their bit; a leaf is `-1 - symbol`. */
const tree: number[] = [];

for (let length = 1, code = 0; length <= longest; length++, code *= 2) {
  lengths.forEach((given, symbol) => {
    if (given !== length) return;
    codes[symbol] = code;
    plant(code, length, symbol);
    code++;
  });
}

function plant(code: number, length: number, symbol: number): void {
  let state = 0;
  if (tree.length === 0) tree.push(0, 0);
  for (let bit = length - 1; bit > 0; bit--) {
    const at = state * 2 + ((code >>> bit) & 1);
    if (tree[at] === 0) {
      tree[at] = tree.length / 2;
      tree.push(0, 0);
    }
    state = tree[at] as number;
  }
  tree[state * 2 + (code & 1)] = -1 - symbol;
}

const states = tree.length / 2;
const emits = 0x1_0000;
const fails = 0x2_0000;

/** By state and half octet: next state, the octet that is complete shifted by 8 (no code is shorter than 5 bits), and what happens. */
const steps = new Uint32Array(states * 16);
/** Whether a string may end in the state: less than an octet of ones follows the last code (RFC 7541 §5.2). */
const endable = new Uint8Array(states);

for (let state = 0; state < states; state++)
  for (let half = 0; half < 16; half++) steps[state * 16 + half] = step(state, half);
for (let state = 0, ones = 0; ones < 8; ones++, state = tree[state * 2 + 1] as number) endable[state] = 1;

function step(from: number, half: number): number {
  let state = from;
  let outcome = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const next = tree[state * 2 + ((half >>> bit) & 1)] as number;
    if (next === -1 - endOfString) return fails;
    if (next < 0) {
      outcome = emits | ((-1 - next) << 8);
      state = 0;
    } else state = next;
  }
  return outcome | state;
}

/** Octets that `count` coded ones can become at most. */
export const mostDecoded = (count: number): number => Math.floor((count * 8) / 5);

/** Decodes the octets from `from` to `to` into `out`; their number, or -1 where they are no Huffman string. */
export function decodeHuffman(bytes: Uint8Array, from: number, to: number, out: Uint8Array): number {
  let state = 0;
  let length = 0;
  for (let at = from; at < to; at++) {
    const octet = bytes[at] as number;
    let next = steps[state * 16 + (octet >>> 4)] as number;
    if (next >= emits) {
      if (next >= fails) return -1;
      out[length++] = (next >>> 8) & 0xff;
    }
    next = steps[(next & 0xff) * 16 + (octet & 15)] as number;
    if (next >= emits) {
      if (next >= fails) return -1;
      out[length++] = (next >>> 8) & 0xff;
    }
    state = next & 0xff;
  }
  return endable[state] === 1 ? length : -1;
}

/** How many octets the latin1 text takes when coded. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += lengths[text.charCodeAt(i) & 0xff] as number;
  return (bits + 7) >>> 3;
}

/** Writes the latin1 text coded; returns the offset behind it. */
export function encodeHuffman(text: string, out: Uint8Array, at: number): number {
  let held = 0;
  let bits = 0;
  let to = at;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 0xff;
    let left = lengths[symbol] as number;
    const code = codes[symbol] as number;
    while (left > 0) {
      const take = Math.min(8 - bits, left);
      left -= take;
      held = (held << take) | ((code >>> left) & ((1 << take) - 1));
      bits += take;
      if (bits < 8) continue;
      out[to++] = held;
      held = bits = 0;
    }
  }
  if (bits > 0) out[to++] = (held << (8 - bits)) | (0xff >>> bits);
  return to;
}
