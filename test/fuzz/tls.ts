// What comes before a handshake: ClientHellos over records and segments up to 64 KiB, and PROXY headers. Readers must not throw, must not
// change their mind with more bytes, and must read what was built as it was built, however it is cut.

import { isIP } from 'node:net';
import { proxyHeader } from '../../lb/index.ts';
import { mostHelloBytes, mostProxyBytes, parseClientHello, parseProxyHeader } from '../../proxies/tls/index.ts';
import { seededRandom, type Random } from '../../src/runtime/index.ts';
import { Finding, runFuzz } from './fuzz-run.ts';
import { below, mutated, noise } from './mutation.ts';

interface BuiltHello {
  /** Without records. */
  readonly message: Buffer;
  readonly serverName: string | null;
  readonly protocols: readonly string[];
}

const sized = (bytes: Buffer, octets: 1 | 2 | 3): Buffer => {
  const head = Buffer.alloc(octets);
  head.writeUIntBE(bytes.length, 0, octets);
  return Buffer.concat([head, bytes]);
};
const extension = (type: number, body: Buffer): Buffer =>
  Buffer.concat([Buffer.of(type >> 8, type & 255), sized(body, 2)]);

/** A ClientHello by RFC 8446 §4.1.2, now and then with an extension that fills it up. */
function hello(random: Random): BuiltHello {
  const label = (): string =>
    noise(random, 1 + below(random, 12))
      .toString('hex')
      .slice(0, 1 + below(random, 20));
  const serverName = below(random, 4) === 0 ? null : `${label()}.${label()}.example`;
  const protocols = Array.from({ length: below(random, 4) }, label);
  const extensions: Buffer[] = [];
  if (serverName !== null) {
    const name = Buffer.concat([Buffer.of(0), sized(Buffer.from(serverName), 2)]);
    extensions.push(extension(0, sized(name, 2)));
  }
  if (protocols.length > 0) {
    const list = Buffer.concat(protocols.map((one) => sized(Buffer.from(one), 1)));
    extensions.push(extension(16, sized(list, 2)));
  }
  const filling = below(random, 50) === 0 ? below(random, 60_000) : below(random, 1500);
  extensions.splice(below(random, extensions.length + 1), 0, extension(51, Buffer.alloc(filling, below(random, 256))));
  const body = Buffer.concat([
    Buffer.of(3, 3),
    noise(random, 32),
    sized(noise(random, below(random, 33)), 1),
    sized(noise(random, 2 * (1 + below(random, 40))), 2),
    Buffer.of(1, 0),
    sized(Buffer.concat(extensions), 2),
  ]);
  return { message: Buffer.concat([Buffer.of(1), sized(body, 3)]), serverName, protocols };
}

/** Over records of any sizes, with what comes behind it. */
function inRecords(message: Buffer, random: Random): Buffer {
  const records: Buffer[] = [];
  const most = 1 + below(random, below(random, 3) === 0 ? 20 : 16_384);
  for (let at = 0; at < message.length;) {
    const part = message.subarray(at, at + 1 + below(random, most));
    records.push(Buffer.of(22, 3, 1), sized(part, 2));
    at += part.length;
  }
  return Buffer.concat(records);
}

function checkHello(built: BuiltHello, random: Random): void {
  const bytes = inRecords(built.message, random);
  const all = Buffer.concat([bytes, noise(random, below(random, 40))]);
  const parsed = parseClientHello(all);
  const isSame =
    parsed !== 'more' &&
    !('refused' in parsed) &&
    parsed.serverName === built.serverName &&
    parsed.protocols.join() === built.protocols.join();
  if (!isSame) throw new Finding(`a hello is read as ${JSON.stringify(parsed)}`, all.subarray(0, 4096));
  const cut = bytes.subarray(0, below(random, bytes.length));
  if (parseClientHello(cut) !== 'more') throw new Finding('a part of a hello is not waited for', cut.subarray(0, 4096));
}

/** What was decided with fewer bytes stays decided. */
function checkSteady<T>(parse: (bytes: Buffer) => T | 'more', bytes: Buffer, random: Random): T | 'more' {
  const whole = parse(bytes);
  const early = parse(bytes.subarray(0, below(random, bytes.length + 1)));
  if (early !== 'more' && JSON.stringify(early) !== JSON.stringify(whole))
    throw new Finding(`${JSON.stringify(early)} becomes ${JSON.stringify(whole)}`, bytes);
  return whole;
}

function checkHostileHello(seeds: readonly Buffer[], random: Random): void {
  const bytes = mutated(seeds, random, mostHelloBytes);
  const parsed = checkSteady(parseClientHello, bytes, random);
  if (parsed === 'more' || 'refused' in parsed) return;
  if (parsed.serverName !== null && (parsed.serverName === '' || parsed.serverName.includes('\0')))
    throw new Finding('a name that is none', bytes);
}

const anyAddress = (random: Random, isSix: boolean): string =>
  isSix
    ? new URL(
        `http://[2001:db8:${below(random, 65_536).toString(16)}::${below(random, 65_536).toString(16)}]`,
      ).hostname.slice(1, -1)
    : Array.from({ length: 4 }, () => below(random, 256)).join('.');

function header(random: Random): Buffer {
  const isSix = below(random, 2) === 0;
  return proxyHeader(below(random, 2) === 0 ? 'v1' : 'v2', {
    clientIp: anyAddress(random, isSix),
    clientPort: below(random, 65_536),
    ownIp: anyAddress(random, isSix),
    ownPort: below(random, 65_536),
  });
}

function checkHeader(random: Random): void {
  const bytes = header(random);
  const all = Buffer.concat([bytes, noise(random, below(random, 30))]);
  const parsed = parseProxyHeader(all);
  if (typeof parsed === 'string' || parsed.length !== bytes.length || parsed.addresses === null)
    throw new Finding('a header that we write ourselves is not read', all);
  const { address, port, localAddress, localPort } = parsed.addresses;
  const again = { clientIp: address, clientPort: port, ownIp: localAddress, ownPort: localPort };
  if (!['v1', 'v2'].some((version) => proxyHeader(version as 'v1' | 'v2', again).equals(bytes)))
    throw new Finding('a header does not say what was read', all);
  if (parseProxyHeader(bytes.subarray(0, below(random, bytes.length))) !== 'more')
    throw new Finding('a part of a header is not waited for', bytes);
}

function checkHostileHeader(seeds: readonly Buffer[], random: Random): void {
  const bytes = mutated(seeds, random, mostProxyBytes + 100);
  const parsed = checkSteady(parseProxyHeader, bytes, random);
  if (typeof parsed === 'string') {
    if (parsed === 'more' && bytes.length >= mostProxyBytes) throw new Finding('waits for more than it may', bytes);
    return;
  }
  if (parsed.length > bytes.length) throw new Finding('takes more than there is', bytes);
  const { address = '0.0.0.0', localAddress = '0.0.0.0', port = 0, localPort = 0 } = parsed.addresses ?? {};
  if (isIP(address) === 0 || isIP(localAddress) === 0 || Math.max(port, localPort) > 65_535)
    throw new Finding('addresses that are none', bytes);
}

export function run(args: readonly string[]): Promise<number> {
  return runFuzz('tls', args, 20_000, async ({ count, seed }, progress) => {
    const random = seededRandom(seed);
    const hellos = Array.from({ length: 50 }, () => inRecords(hello(random).message, random));
    const headers = Array.from({ length: 20 }, () => header(random));
    const parts: readonly (readonly [string, () => void])[] = [
      ['hellos', () => checkHello(hello(random), random)],
      ['hostile hellos', () => checkHostileHello(hellos, random)],
      ['headers', () => checkHeader(random)],
      ['hostile headers', () => checkHostileHeader(headers, random)],
    ];
    for (const [name, check] of parts) {
      for (let done = 0; done < count; done++) {
        check();
        if (done % 1000 === 0) progress(name, done);
      }
    }
  });
}
