// The program of the one process that keeps CAP_NET_ADMIN where `user:` takes root from all others: runs nft and conntrack for control, its
// parent, and ends with it. Knows no cluster and listens to nobody else.

import { directCommands } from '../../lb/index.ts';
import type { KeeperAnswer, KeeperRequest } from './kernel-commands.ts';

const followed = new Map<number, { close(): void }>();

const answer = (message: KeeperAnswer): void => {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
};

process.on('message', (message: KeeperRequest) => {
  const { id } = message;
  if (message.type === 'close') {
    followed.get(id)?.close();
    followed.delete(id);
  } else if (message.type === 'run') {
    void directCommands.run(message.tool, message.args, message.input).then((outcome) => answer({ id, outcome }));
  } else {
    const onEnd = (): void => void (followed.delete(id), answer({ id, end: true }));
    followed.set(
      id,
      directCommands.follow(message.tool, message.args, (line) => answer({ id, line }), onEnd),
    );
  }
});
process.on('disconnect', () => process.exit(0));
// A terminal's Ctrl-C reaches the whole group; the parent says what it means.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
