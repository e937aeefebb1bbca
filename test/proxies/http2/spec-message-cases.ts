// The cases of h2spec that are about requests and header blocks.

import { frameType } from '../../../proxies/http2/frame-words.ts';
import { data, endHeaders, frame, number, usualFields } from './frame-client.ts';
import {
  coded,
  value,
  connectionError,
  streamError,
  get,
  post,
  whole,
  opening,
  request,
  withBlock,
  beforeBlock,
  one,
  type SpecCase,
} from './spec-words.ts';

export const messageCases: readonly SpecCase[] = [
  one(
    '8.1',
    'a second HEADERS without END_STREAM',
    [opening(post), data(1, 'test', 0), opening([['x-test', 'ok']])],
    streamError('PROTOCOL'),
  ),
  one('8.1.2', 'an upper-case name', [whole([...get, ['X-TEST', 'ok']])], streamError('PROTOCOL')),
  one('8.1.2.1', 'an unknown pseudo-field', [whole([...get, [':test', 'ok']])], streamError('PROTOCOL')),
  one('8.1.2.1', 'a pseudo-field of answers', [whole([...get, [':status', '200']])], streamError('PROTOCOL')),
  one(
    '8.1.2.1',
    'a pseudo-field in trailers',
    [opening(post), data(1, 'test', 0), opening([[':method', 'POST']])],
    streamError('PROTOCOL'),
  ),
  one('8.1.2.1', 'pseudo-fields behind a field', [whole([['x-test', 'ok'], ...get])], streamError('PROTOCOL')),
  one('8.1.2.2', 'connection', [whole([...get, ['connection', 'keep-alive']])], streamError('PROTOCOL')),
  one('8.1.2.2', 'te other than trailers', [whole([...get, ['te', 'trailers, deflate']])], streamError('PROTOCOL')),
  one('8.1.2.3', 'an empty :path', [whole(usualFields('GET', ''))], streamError('PROTOCOL')),
  one('8.1.2.3', 'no :method', [whole(get.slice(2))], streamError('PROTOCOL')),
  one('8.1.2.3', 'no :scheme', [whole(get.filter(([name]) => name !== ':scheme'))], streamError('PROTOCOL')),
  one('8.1.2.3', 'no :path', [whole(get.filter(([name]) => name !== ':path'))], streamError('PROTOCOL')),
  one('8.1.2.3', 'two :method', [whole([...get, [':method', 'GET']])], streamError('PROTOCOL')),
  one('8.1.2.3', 'two :scheme', [whole([...get, [':scheme', 'http']])], streamError('PROTOCOL')),
  one('8.1.2.3', 'two :path', [whole([...get, [':path', '/']])], streamError('PROTOCOL')),
  one(
    '8.1.2.6',
    'more DATA than content-length',
    [opening([...post, ['content-length', '1']]), data(1, 'test')],
    streamError('PROTOCOL'),
  ),
  one(
    '8.1.2.6',
    'more in several DATA',
    [opening([...post, ['content-length', '1']]), data(1, 'test', 0), data(1, 'test')],
    streamError('PROTOCOL'),
  ),
  one(
    '8.2',
    'PUSH_PROMISE',
    [frame(frameType.pushPromise, endHeaders, 1, Buffer.concat([number(3), request]))],
    connectionError('PROTOCOL'),
  ),
];

export const hpackCases: readonly SpecCase[] = [
  one('RFC 7541 2.3.3', 'an index beyond the tables', [withBlock(0xfe)], connectionError('COMPRESSION')),
  one(
    'RFC 7541 2.3.3',
    'a name beyond the tables',
    [withBlock(0x7f, 0x0f, 6, ...value)],
    connectionError('COMPRESSION'),
  ),
  one('RFC 7541 4.2', 'a table size behind fields', [withBlock(0x21)], connectionError('COMPRESSION')),
  one(
    'RFC 7541 5.2',
    'padding of more than 7 bits',
    [withBlock(0, ...coded.test, 0x84, 0x49, 0x50, 0x9f, 0xff)],
    connectionError('COMPRESSION'),
  ),
  one(
    'RFC 7541 5.2',
    'padding of zeros',
    [withBlock(0, ...coded.test, 0x83, 0x49, 0x50, 0x90)],
    connectionError('COMPRESSION'),
  ),
  one(
    'RFC 7541 5.2',
    'an end of string',
    [withBlock(0, 0x85, 0xf2, 0xb2, 0x4a, 0x87, 0xff, 0xff, 0xff, 0xfd, 0x25, 0x42, 0x7f)],
    connectionError('COMPRESSION'),
  ),
  one('RFC 7541 6.1', 'index 0', [withBlock(0x80)], connectionError('COMPRESSION')),
  one('RFC 7541 6.3', 'a table larger than ours', [beforeBlock(0x3f, 0xe2, 0x1f)], connectionError('COMPRESSION')),
];
