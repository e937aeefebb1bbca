// The initial state of Blowfish: 1042 words of the fraction of pi. Computed once, which is shorter than to write them down.

export const wordCount = 18 + 4 * 256;

/** First 18 words: the subkeys; then four boxes of 256. */
export function piWords(): Uint32Array {
  const spare = 64n;
  const bits = BigInt(wordCount * 32) + spare;
  const one = 1n << bits;
  // Machin: pi = 16 arctan(1/5) - 4 arctan(1/239).
  const pi = 16n * arctanOfInverse(5n, one) - 4n * arctanOfInverse(239n, one);
  const hex = ((pi - 3n * one) >> spare).toString(16).padStart(wordCount * 8, '0');
  const words = new Uint32Array(wordCount);
  for (let i = 0; i < wordCount; i++) words[i] = parseInt(hex.slice(i * 8, i * 8 + 8), 16);
  return words;
}

function arctanOfInverse(x: bigint, one: bigint): bigint {
  const square = x * x;
  let power = one / x;
  let sum = power;
  for (let n = 3n; power > 0n; n += 2n) {
    power /= square;
    sum += (n & 2n) === 2n ? -(power / n) : power / n;
  }
  return sum;
}
