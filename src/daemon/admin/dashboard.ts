// The dashboard: one page that shows the status and keeps itself current. No build step, no script from elsewhere.

import type { Answer } from './answer.ts';

export function showDashboard(): Answer {
  return { status: 200, type: 'text/html; charset=utf-8', body: page };
}

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>isthmus</title>
<style>
  body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1c2530; background: #fbfaf7 }
  h1 { font-size: 1.4rem } h2 { font-size: 1.05rem; margin-top: 2rem }
  table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #e4e0d6; vertical-align: top }
  pre { background: #f1eee6; padding: .8rem; overflow: auto; max-height: 22rem; font-size: 13px }
  .good { color: #1d7a46 } .bad { color: #b3261e } .big { font-size: 1.15rem }
</style>
<h1>isthmus <span id="state" class="big"></span></h1>
<p id="summary"></p>
<h2>What does not serve</h2><ul id="degraded"></ul>
<h2>Sources</h2><table id="sources"></table>
<h2>Workers</h2><table id="workers"></table>
<h2>Routes</h2><pre id="routes"></pre>
<h2>VIPs</h2><pre id="vips"></pre>
<h2>Names</h2><pre id="zone"></pre>
<script>
  const at = (id) => document.getElementById(id);
  const rows = (id, head, list) => at(id).replaceChildren(row('th', head), ...list.map((cells) => row('td', cells)));
  const row = (tag, cells) => { const tr = document.createElement('tr'); for (const cell of cells) { const td = document.createElement(tag); td.textContent = cell ?? ''; tr.append(td); } return tr; };
  const get = async (path, kind) => { const answer = await fetch(path); return answer.ok ? answer[kind]() : ''; };
  async function refresh() {
    try {
      const status = await get('/v1/status', 'json');
      at('state').textContent = status.ready ? (status.degraded.length ? 'serves, with exceptions' : 'serves') : 'not ready';
      at('state').className = 'big ' + (status.ready && !status.degraded.length ? 'good' : 'bad');
      at('summary').textContent = status.tasks + ' tasks, ' + status.apps + ' apps, ' + status.agents + ' agents, version ' + status.version + ', ' + status.source;
      at('degraded').replaceChildren(...(status.degraded.length ? status.degraded : ['nothing']).map((line) => { const li = document.createElement('li'); li.textContent = line; return li; }));
      rows('sources', ['source', 'state', 'last heard', 'why'], status.sources.map((s) => [s.name, s.state, s.ageSeconds === null ? 'never' : s.ageSeconds + ' s ago', s.reason]));
      rows('workers', ['slot', 'pid', 'serves version'], status.workers.map((w) => [w.slot, w.pid, w.appliedVersion]));
      for (const view of ['routes', 'vips', 'zone']) at(view).textContent = await get('/v1/' + view, 'text');
    } catch (error) { at('state').textContent = 'daemon does not answer'; at('state').className = 'big bad'; }
    setTimeout(refresh, 2000);
  }
  refresh();
</script>
`;
