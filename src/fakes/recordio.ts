// RecordIO: a record's length in bytes in decimal, a newline, and the bytes.
export function encodeRecord(body: Uint8Array | string): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  return Buffer.concat([Buffer.from(`${String(bytes.length)}\n`), bytes]);
}

// Splits recorded bytes into records, each still with its length line. Throws on bytes that are not RecordIO.
export function splitRecords(bytes: Uint8Array): readonly Buffer[] {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const records: Buffer[] = [];
  for (let at = 0; at < all.length;) {
    const newline = all.indexOf(10, at);
    const digits = newline < 0 ? '' : all.toString('latin1', at, newline);
    if (!/^\d{1,12}$/.test(digits)) throw new Error(`Not RecordIO at byte ${String(at)}`);
    const end = newline + 1 + Number(digits);
    if (end > all.length) throw new Error(`Record at byte ${String(at)} is cut short`);
    records.push(all.subarray(at, end));
    at = end;
  }
  return records;
}

export function recordBody(record: Uint8Array): Buffer {
  const all = Buffer.from(record.buffer, record.byteOffset, record.length);
  return all.subarray(all.indexOf(10) + 1);
}
