// The base-64 of crypt(3): its own alphabet, least significant six bits first.

const alphabet = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** `letters` letters for 24 bits, of which `high` is the upper byte. */
export function encode24(high: number, middle: number, low: number, letters: number): string {
  let bits = (high << 16) | (middle << 8) | low;
  let text = '';
  for (let i = 0; i < letters; i++) {
    text += alphabet[bits & 63] as string;
    bits >>= 6;
  }
  return text;
}
