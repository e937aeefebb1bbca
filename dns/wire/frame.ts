// Messages on a TCP stream: two octets of length, then the message (RFC 1035 §4.2.2). Holds one unfinished message at most.

export interface FrameReader {
  /** Takes what arrived; calls `onMessage` for each message that is complete. Nobody changes the messages afterwards. */
  push(chunk: Buffer): void;
}

export function createFrameReader(onMessage: (message: Buffer) => void): FrameReader {
  let parts: Buffer[] = [];
  let held = 0;
  let wanted = 2;
  return {
    push(chunk) {
      parts.push(chunk);
      held += chunk.length;
      // Joined only when a message is complete: octets that drip in one by one are copied once.
      if (held < wanted) return;
      let bytes = parts.length === 1 ? chunk : Buffer.concat(parts, held);
      wanted = 2;
      while (bytes.length >= 2) {
        wanted = 2 + bytes.readUInt16BE(0);
        if (bytes.length < wanted) break;
        const message = bytes.subarray(2, wanted);
        bytes = bytes.subarray(wanted);
        wanted = 2;
        onMessage(message);
      }
      parts = bytes.length === 0 ? [] : [bytes];
      held = bytes.length;
    },
  };
}

/** A message with its length in front. */
export function frame(message: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(message.length + 2);
  framed.writeUInt16BE(message.length, 0);
  message.copy(framed, 2);
  return framed;
}
