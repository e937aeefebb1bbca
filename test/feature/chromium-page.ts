// A headless Chromium that opens pages and tells by which certificate, over its DevTools protocol.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface Browser {
  /** Opens `url`; answers with the leaf that the page came with, and its text. */
  open(url: string): Promise<{ readonly certificate: X509Certificate; readonly text: string }>;
  close(): Promise<void>;
}

const flags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // The test looks at the certificates itself.
  '--ignore-certificate-errors',
  '--host-resolver-rules=MAP * 127.0.0.1',
  '--remote-debugging-port=0',
];

type Reply = Readonly<Record<string, unknown>>;

/** Every name is 127.0.0.1 to it. */
export async function startBrowser(): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), 'isthmus-test-chromium-'));
  const child = spawn('chromium', [...flags, `--user-data-dir=${profile}`, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const address = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      const found = /DevTools listening on (ws:\S+)/.exec(line)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once('exit', (code) => reject(new Error(`chromium ended with ${code}`)));
    child.once('error', reject);
  });
  const socket = new WebSocket(address);
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', () => reject(new Error('chromium does not answer')));
  });
  const waiting = new Map<number, (reply: Reply) => void>();
  socket.addEventListener('message', ({ data }) => {
    const reply = JSON.parse(String(data)) as Reply;
    waiting.get(Number(reply['id']))?.(reply);
    waiting.delete(Number(reply['id']));
  });
  let last = 0;
  const call = async (method: string, params: object, sessionId?: string): Promise<Reply> => {
    const id = ++last;
    socket.send(JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) }));
    const reply = await new Promise<Reply>((resolve) => waiting.set(id, resolve));
    if (reply['error'] !== undefined) throw new Error(`${method}: ${JSON.stringify(reply['error'])}`);
    return reply['result'] as Reply;
  };
  const evaluate = async (expression: string, session: string): Promise<string> => {
    const { result } = (await call('Runtime.evaluate', { expression }, session)) as { result: { value: string } };
    return result.value;
  };
  return {
    async open(url) {
      const { targetId } = await call('Target.createTarget', { url: 'about:blank' });
      const { sessionId } = await call('Target.attachToTarget', { targetId, flatten: true });
      const session = String(sessionId);
      await call('Network.enable', {}, session);
      const { errorText } = await call('Page.navigate', { url }, session);
      if (errorText !== undefined) throw new Error(`${url}: ${String(errorText)}`);
      while ((await evaluate('location.href + " " + document.readyState', session)) !== `${url} complete`)
        await new Promise((resolve) => setTimeout(resolve, 20));
      const text = await evaluate('document.body.innerText', session);
      const { tableNames } = await call('Network.getCertificate', { origin: new URL(url).origin }, session);
      const certificate = new X509Certificate(Buffer.from((tableNames as readonly string[])[0] ?? '', 'base64'));
      await call('Target.closeTarget', { targetId });
      return { certificate, text };
    },
    async close() {
      socket.close();
      child.kill();
      if (child.exitCode === null) await once(child, 'exit');
      rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
}
