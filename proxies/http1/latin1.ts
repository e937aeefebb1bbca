// Bytes as text, one character a byte: how heads and small bodies are handled.

/** Not in the types, and as old as Buffer: what `toString('latin1')` comes to after it has looked its arguments over. */
type Sliced = Buffer & { latin1Slice(from: number, to: number): string };

/** The bytes from `from` to `to`, both within the buffer. */
export const latin1 = (bytes: Buffer, from: number, to: number): string => (bytes as Sliced).latin1Slice(from, to);
