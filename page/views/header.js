// Header: the name, the views, how busy the server is, and the key.

import { html } from 'htm/preact';

import { load } from '../state/service.js';
import { apiKey, useKey } from '../state/session.js';
import { words } from '../words.js';

export function Header() {
  const busy = load.value;
  return html`<header class="top">
    <h1>${words.name}</h1>
    <p class="load small">${busy ? words.load(busy.workers, busy.queued) : ''}</p>
    ${apiKey.value && html`<button type="button" class="quiet" onClick=${() => useKey('')}>${words.key.forget}</button>`}
  </header>`;
}
