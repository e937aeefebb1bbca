// The checks a Mesos master makes before it answers, in its order, as data: what to answer, or what was called.
import type { IncomingMessage } from 'node:http';
import type { MasterAuth } from './master-faults.ts';

export interface Refusal {
  readonly status: number;
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Leadership {
  // Whether this instance leads.
  readonly isLeader: boolean;
  // host:port to redirect to; undefined when nobody leads.
  readonly leader: string | undefined;
  readonly recovering: boolean;
}

function refusal(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Refusal {
  return { status, text, headers };
}

export function checkAuth(
  auth: MasterAuth | null,
  realm: 'readwrite' | 'readonly',
  request: IncomingMessage,
): Refusal | undefined {
  if (auth === null || (realm === 'readonly' && auth.realm === 'readwrite')) return undefined;
  const given = request.headers.authorization;
  const wanted =
    'token' in auth
      ? `token=${auth.token}`
      : `Basic ${Buffer.from(`${auth.user}:${auth.password}`).toString('base64')}`;
  if (given === wanted) return undefined;
  const challenge = 'token' in auth ? 'oauthjwt' : `Basic realm="mesos-master-${realm}"`;
  return refusal(401, '', { 'www-authenticate': challenge });
}

// path is what the redirect carries on: empty for /redirect itself.
export function checkLeader(leadership: Leadership, path: string): Refusal | undefined {
  if (leadership.isLeader) return undefined;
  if (leadership.leader === undefined) return refusal(503, 'No leader elected');
  return refusal(307, '', { location: `//${leadership.leader}${path}` });
}

export function checkRecovered(leadership: Leadership): Refusal | undefined {
  return leadership.recovering ? refusal(503, 'Master has not finished recovery') : undefined;
}

export function checkCallHead(request: IncomingMessage): Refusal | undefined {
  if (request.method !== 'POST')
    return refusal(405, `Expecting one of { 'POST' }, but received '${request.method ?? ''}'`, { allow: 'POST' });
  const type = request.headers['content-type'];
  if (type === undefined) return refusal(400, "Expecting 'Content-Type' to be present");
  if (type !== 'application/json' && type !== 'application/x-protobuf') {
    return refusal(415, "Expecting 'Content-Type' of application/json or application/x-protobuf");
  }
  return undefined;
}

// The call's type, or why there is none.
export function parseCall(contentType: string, body: string): { readonly type: string } | Refusal {
  if (contentType === 'application/x-protobuf')
    return refusal(400, 'Failed to deserialize body into Call: protobuf is not faked');
  let call: unknown;
  try {
    call = JSON.parse(body);
  } catch (error) {
    return refusal(400, `Failed to parse body into JSON: ${error instanceof Error ? error.message : ''}`);
  }
  if (typeof call !== 'object' || call === null || Array.isArray(call))
    return refusal(400, 'Failed to convert JSON into Call protobuf');
  const type = (call as { type?: unknown }).type;
  if (typeof type !== 'string') return refusal(400, "Failed to validate master::Call: Expecting 'type' to be present");
  return { type };
}

export function checkAccept(request: IncomingMessage): Refusal | undefined {
  const accept = request.headers.accept;
  if (accept === undefined || accept.trim() === '') return undefined;
  const ranges = accept.split(',').map((range) => range.split(';')[0]?.trim().toLowerCase());
  const acceptable = ['application/json', 'application/*', '*/*'];
  if (ranges.some((range) => range !== undefined && acceptable.includes(range))) return undefined;
  return refusal(406, "Expecting 'Accept' to allow application/json or application/x-protobuf");
}
