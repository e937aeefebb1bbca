// The ways a fake master can misbehave: switches to set while it runs, and one-time disturbances of open streams.
interface BasicAuth {
  readonly user: string;
  readonly password: string;
  // readwrite protects /api/v1 alone, as a cluster may; all protects /state too.
  readonly realm?: 'all' | 'readwrite';
}

type TokenAuth = { readonly token: string; readonly realm?: 'all' | 'readwrite' };

export type MasterAuth = BasicAuth | TokenAuth;

export interface MasterFaults {
  // Streams are written n bytes at a time, so that records are torn anywhere.
  chunkBytes: number | null;
  // Wait before the head of each answer and before each write on a stream.
  delayMs: number;
  // Stream bytes wait until this is false again.
  stall: boolean;
  // Sockets stay open; nothing is read, answered or written.
  halfOpen: boolean;
  // The head of a subscription is sent and no record follows.
  silentSubscribe: boolean;
  heartbeat: boolean;
  heartbeatMs: number | null;
  // When exceeded the oldest stream is closed; null takes the version's own.
  subscriberLimit: number | null;
  // Every request gets this page in place of an answer.
  page: 'html-200' | 'html-502' | null;
  auth: MasterAuth | null;
  // A principal without rights: agents are seen, tasks and frameworks are not.
  emptyView: boolean;
  // Elected, registry not yet read: 503.
  recovering: boolean;
  // A badly configured proxy that compresses the stream.
  gzipStream: boolean;
  // What becomes of whole answers on their way: zipped though nobody asked, begun with a byte order mark, ended half-way, no JSON.
  answers: MangledAnswer | null;
  // A principal that carries claims but no value: 403.
  claimsWithoutValue: boolean;
}

export type MangledAnswer = 'gzip' | 'bom' | 'cut' | 'not-json';

export type Disturbance =
  | 'reset'
  | 'end'
  | 'end-mid-record'
  | 'cut-mid-record'
  | 'bad-length'
  | 'oversized-length'
  | 'invalid-utf8'
  | 'empty-record'
  | 'unknown-event';

export function noFaults(): MasterFaults {
  return {
    chunkBytes: null,
    delayMs: 0,
    stall: false,
    halfOpen: false,
    silentSubscribe: false,
    heartbeat: true,
    heartbeatMs: null,
    subscriberLimit: null,
    page: null,
    auth: null,
    emptyView: false,
    recovering: false,
    gzipStream: false,
    answers: null,
    claimsWithoutValue: false,
  };
}

// Bytes that a disturbance writes; undefined where it acts on the connection instead.
export function disturbingBytes(what: Disturbance): Buffer | undefined {
  switch (what) {
    case 'bad-length':
      return Buffer.from('12x4\n{"type":"HEARTBEAT"}');
    case 'oversized-length':
      return Buffer.from('999999999999\n{"type":"HEARTBEAT"}');
    case 'empty-record':
      return Buffer.from('0\n');
    case 'invalid-utf8':
      return invalidUtf8Record();
    case 'unknown-event': {
      const body = '{"type":"MAINTENANCE_SCHEDULED","maintenance_scheduled":{}}';
      return Buffer.from(`${String(body.length)}\n${body}`);
    }
    case 'end-mid-record':
    case 'cut-mid-record':
      return Buffer.from('4000\n{"type":"TASK_ADDED","task_added":{"task":{"name":"to');
    case 'reset':
    case 'end':
      return undefined;
  }
}

// A whole, well-framed event whose message holds bytes that are no UTF-8; it names a task nobody has.
function invalidUtf8Record(): Buffer {
  const status =
    '"status":{"task_id":{"value":"no-such-task"},"state":"TASK_RUNNING","timestamp":1.0,"agent_id":{"value":"none"},"message":"';
  const body = Buffer.concat([
    Buffer.from(
      `{"type":"TASK_UPDATED","task_updated":{"framework_id":{"value":"none"},"state":"TASK_RUNNING",${status}`,
    ),
    Buffer.from([0xc3, 0x28, 0xff, 0xed, 0xa0, 0x80]),
    Buffer.from('"}}}'),
  ]);
  return Buffer.concat([Buffer.from(`${String(body.length)}\n`), body]);
}
