// App: the page's frame, and what keeps it up to date while it is open.

import { html } from 'htm/preact';
import { useEffect } from 'preact/hooks';

import { onNews } from '../lib/tabs.js';
import { watchDrops } from '../state/melody_drop.js';
import { catalog, load, watchService } from '../state/service.js';
import { away, keyFault, offline, usedUp } from '../state/session.js';
import { refresh } from '../state/pieces.js';
import { resume, watchTakes } from '../state/takes.js';
import { whileVisible } from '../state/visible.js';
import { words } from '../words.js';
import { CurrentView } from './current_view.js';
import { Header } from './header.js';
import { Keyboard } from './keyboard.js';
import { KeyDialog } from './key_dialog.js';
import { Now } from './now/now.js';
import { Pieces } from './pieces/pieces.js';

const REFRESH_MS = 15_000; // for what other tabs and programs make

async function look() {
  try {
    resume(await refresh());
    return true;
  } catch {
    return Boolean(keyFault.value); // told by the session's signals; without a key nothing is asked again
  }
}

function Notices() {
  const idle = load.value?.workers === 0 && catalog.value !== null;
  return html`<div class="notices" role="status">
    ${offline.value && html`<p class="notice">${words.offline}</p>`}
    ${!offline.value && away.value && html`<p class="notice bad">${words.away(away.value)}</p>`}
    ${!offline.value && !away.value && idle && html`<p class="notice">${words.noWorker}</p>`}
    ${usedUp.value && html`<p class="notice bad">${words.key.usedUp(usedUp.value)}</p>`}
  </div>`;
}

export function App() {
  useEffect(() => {
    const ends = [watchService(), whileVisible(look, REFRESH_MS), watchTakes(), watchDrops(), onNews(look)];
    return () => ends.forEach((end) => end());
  }, []);
  return html`
    <a class="skip" href="#results">${words.skip}</a>
    <${Header} />
    <${Notices} />
    ${keyFault.value && html`<${KeyDialog} />`}
    <main>
      <${CurrentView} />
      <div class="results" id="results" tabindex="-1">
        <${Now} />
        <${Pieces} />
      </div>
    </main>
    <${Keyboard} />
  `;
}
