// A WebSocket to a backend over one stream (RFC 8441): tells a tunnel's end what the stream's user is told.

import type { FieldList, UpstreamUser } from '../http1/index.ts';
import { StreamTunnel } from './stream-tunnel.ts';
import type { UpstreamStream } from './upstream-stream.ts';

export class UpstreamTunnel implements UpstreamUser {
  readonly socket: StreamTunnel;
  #isPaused = false;

  constructor(stream: Pick<UpstreamStream, 'sendBody' | 'endTunnel' | 'resume' | 'destroy'>) {
    this.socket = new StreamTunnel(
      {
        resumeBody: () => {
          this.#isPaused = false;
          stream.resume();
        },
        pauseBody: () => (this.#isPaused = true),
        writeAnswer: (bytes, from, to) => stream.sendBody(bytes, from, to),
        endAnswer: () => stream.endTunnel(),
        abort: () => stream.destroy(),
      },
      true,
    );
  }

  onAnswerBody(bytes: Buffer, from: number, to: number): boolean {
    this.socket.onRequestBody(Buffer.copyBytesFrom(bytes, from, to - from), 0, to - from);
    return !this.#isPaused;
  }

  onAnswerEnd(trailers: FieldList | null): void {
    void trailers;
    this.socket.onRequestEnd();
  }

  onUpstreamWritable(): void {
    this.socket.onClientWritable();
  }

  onUpstreamFailed(): void {
    this.socket.onClientLost('gone');
  }

  // The answer has been told.

  onReadEnd(): void {}
  onUpstreamReady(): void {}
  onInformational(): void {}
  onSwitched(): void {}
  onAnswer(): boolean {
    return false;
  }
}
