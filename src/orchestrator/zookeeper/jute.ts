// Jute: how ZooKeeper writes its records. Big-endian; strings and buffers with a length before them, -1 for none.

export type Field =
  readonly ['int', number] | readonly ['long', bigint] | readonly ['bool', boolean] | readonly ['bytes', Buffer];

export const int = (value: number): Field => ['int', value];
export const long = (value: bigint): Field => ['long', value];
export const bool = (value: boolean): Field => ['bool', value];
export const bytes = (value: Buffer): Field => ['bytes', value];
export const text = (value: string): Field => ['bytes', Buffer.from(value)];

/** The fields as one packet, its length first. */
export function packet(fields: readonly Field[]): Buffer {
  const body = Buffer.concat(fields.map(encoded));
  return Buffer.concat([encoded(int(body.length)), body]);
}

function encoded(field: Field): Buffer {
  switch (field[0]) {
    case 'int': {
      const buffer = Buffer.alloc(4);
      buffer.writeInt32BE(field[1]);
      return buffer;
    }
    case 'long': {
      const buffer = Buffer.alloc(8);
      buffer.writeBigInt64BE(field[1]);
      return buffer;
    }
    case 'bool':
      return Buffer.from([field[1] ? 1 : 0]);
    case 'bytes':
      return Buffer.concat([encoded(int(field[1].length)), field[1]]);
  }
}

/** Reads fields one after the other; throws a RangeError where the packet ends early. */
export class JuteReader {
  readonly #packet: Buffer;
  #at = 0;

  constructor(body: Buffer) {
    this.#packet = body;
  }

  int(): number {
    this.#at += 4;
    return this.#packet.readInt32BE(this.#at - 4);
  }

  long(): bigint {
    this.#at += 8;
    return this.#packet.readBigInt64BE(this.#at - 8);
  }

  bytes(): Buffer {
    const length = Math.max(0, this.int());
    if (this.#at + length > this.#packet.length) throw new RangeError('a field ends beyond its packet');
    this.#at += length;
    return this.#packet.subarray(this.#at - length, this.#at);
  }

  text(): string {
    return this.bytes().toString('utf8');
  }

  texts(): readonly string[] {
    const count = Math.max(0, this.int());
    if (count > this.#packet.length) throw new RangeError('a list is longer than its packet');
    return Array.from({ length: count }, () => this.text());
  }
}
