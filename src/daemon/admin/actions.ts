// What an operator may do by the admin API.

import { backendKey, splitHostPort } from '../../cluster/index.ts';
import { json, problem, type Answer } from './answer.ts';
import type { ControlRoom } from '../control.ts';
import type { AdminRequest } from './server.ts';

export function resyncCluster(room: ControlRoom): Answer {
  room.resync();
  return json({ resync: 'started' }, 202);
}

export function reloadConfiguration(room: ControlRoom): Answer {
  room.options.reload();
  return json({ reload: 'started' }, 202);
}

/** Takes a backend out of new traffic, or back in, wherever it serves. */
export function judgeBackend(room: ControlRoom, request: AdminRequest): Answer {
  const [address = '', action] = request.parts;
  const split = splitHostPort(address);
  if (split === null) return problem(400, `"${address}" is no IP:PORT`);
  const backend = backendKey(split.host, split.port);
  if (action === 'drain') room.health.drain(backend);
  else room.health.undrain(backend);
  return json({ backend, state: action === 'drain' ? 'draining' : 'as checked' });
}
