// Reads a whole answer (GET_STATE or `/state`) into a picture, as its bytes come.

import type { IncomingMessage } from 'node:http';
import { IsthmusError, type Clock } from '../../runtime/index.ts';
import { createSlices } from '../slices.ts';
import { bodyOf } from './body.ts';
import { watchIdle } from '../idle.ts';
import { createPictureBuilder, pictureForm, type MesosPicture } from './picture.ts';
import { createSplitter } from './split.ts';

export interface ReadOptions {
  readonly clock: Clock;
  readonly idleMs: number;
  readonly onSkipped: (reason: string) => void;
}

/** The picture in `response`. Rejects when the body ends early, is not JSON, is none of Mesos's pictures, or pauses for `idleMs`. */
export async function readPicture(response: IncomingMessage, options: ReadOptions): Promise<MesosPicture> {
  const builder = createPictureBuilder(options.onSkipped);
  const splitter = createSplitter({ cuts: builder.cuts, onBadElement: () => options.onSkipped('syntax') });
  const slices = createSlices(options.clock);
  const idle = watchIdle(options.clock, options.idleMs, () => {
    response.destroy(
      new IsthmusError('UPSTREAM_TIMEOUT', 'the answer stopped half-way', { side: 'upstream', retryable: true }),
    );
  });
  try {
    for await (const chunk of bodyOf(response)) {
      idle.touch();
      splitter.push(chunk as Buffer);
      await slices.breathe();
    }
  } finally {
    idle.stop();
  }
  const skeleton = splitter.end();
  if (pictureForm(skeleton) === null) {
    throw new IsthmusError('UPSTREAM_GARBAGE', 'the answer is no state of a Mesos master', {
      side: 'upstream',
      retryable: true,
    });
  }
  return builder.finish(skeleton);
}
