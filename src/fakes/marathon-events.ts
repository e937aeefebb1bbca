// Marathon's /v2/events: CRLF frames, no chunks, a heartbeat in two writes, and slow readers cut off.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FakeClock } from './clock.ts';
import type { Switches } from './fault-switches.ts';
import type { MarathonFaults } from './marathon-faults.ts';

export interface MarathonEvent {
  readonly eventType: string;
  readonly timestamp: string;
  readonly [field: string]: unknown;
}

export interface EventHub {
  readonly size: number;
  emit(eventType: string, fields: Readonly<Record<string, unknown>>): void;
  // Every event as it is emitted, for tests that need no connection.
  onEvent(listener: (event: MarathonEvent) => void): () => void;
  // Answers a request that was already found acceptable, and keeps it open.
  attach(request: IncomingMessage, response: ServerResponse, switches: Switches<MarathonFaults>): void;
  heartbeat(): void;
  // Ends every stream, as a lost leadership does.
  endAll(): void;
}

interface Reader {
  send(event: MarathonEvent): void;
  beat(): void;
  end(): void;
}

const BACKLOG = 1024;

export function createEventHub(clock: FakeClock, heartbeatMs: number, random: () => number): EventHub {
  const readers = new Set<Reader>();
  const listeners = new Set<(event: MarathonEvent) => void>();
  const emit: EventHub['emit'] = (eventType, fields) => {
    const event = { ...fields, eventType, timestamp: new Date(clock.now()).toISOString() };
    for (const listener of [...listeners]) listener(event);
    for (const reader of [...readers]) reader.send(event);
  };
  const heartbeat = (): void => {
    for (const reader of readers) reader.beat();
  };
  return {
    get size() {
      return readers.size;
    },
    emit,
    onEvent(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    attach(request, response, switches) {
      const reader = openReader(request, response, switches, random);
      readers.add(reader);
      const timer = setInterval(() => {
        reader.beat();
      }, heartbeatMs);
      response.once('close', () => {
        clearInterval(timer);
        readers.delete(reader);
      });
      emit('event_stream_attached', { remoteAddress: request.socket.remoteAddress ?? '' });
    },
    heartbeat,
    endAll() {
      for (const reader of readers) reader.end();
    },
  };
}

function wantedTypes(request: IncomingMessage): ReadonlySet<string> | undefined {
  const types = new URL(request.url ?? '/', 'http://marathon').searchParams.getAll('event_type');
  return types.length === 0 ? undefined : new Set(types);
}

function openReader(
  request: IncomingMessage,
  response: ServerResponse,
  switches: Switches<MarathonFaults>,
  random: () => number,
): Reader {
  const types = wantedTypes(request);
  const waiting: string[] = [];
  let held: MarathonEvent | undefined;
  let blocked = false;
  // A body that ends with the connection: neither length nor chunks.
  response.removeHeader('transfer-encoding');
  response.writeHead(200, {
    'content-type': 'text/event-stream;charset=utf-8',
    connection: 'close',
    'cache-control': 'no-cache',
  });
  response.flushHeaders();
  const flush = (): void => {
    while (!blocked && waiting.length > 0) {
      const next = waiting.shift() ?? '';
      if (next === HEARTBEAT) sendHeartbeat();
      else if (!response.write(next)) blocked = true;
    }
  };
  const sendHeartbeat = (): void => {
    // Each half is flushed by itself and may arrive in a segment of its own; nothing comes between.
    blocked = true;
    response.write('\r');
    setImmediate(() => {
      blocked = !response.write('\n');
      flush();
    });
  };
  response.on('drain', () => {
    blocked = false;
    flush();
  });
  const put = (text: string): void => {
    waiting.push(text);
    flush();
    if (waiting.length > (switches.values.eventBacklog ?? BACKLOG)) response.destroy();
  };
  return {
    send(event) {
      const { dropEvents, unorderedEvents } = switches.values;
      if (types?.has(event.eventType) === false || random() < dropEvents) return;
      if (unorderedEvents && held === undefined) {
        held = event;
        return;
      }
      put(frameOf(event));
      if (held !== undefined) put(frameOf(held));
      held = undefined;
    },
    beat() {
      put(HEARTBEAT);
    },
    end() {
      response.end();
    },
  };
}

const HEARTBEAT = '\r\n';

function frameOf(event: MarathonEvent): string {
  return `event: ${event.eventType}\r\ndata: ${JSON.stringify(event)}\r\n\r\n`;
}
