// Header: the name, the views, how busy the server is, and the key.

import { html } from 'htm/preact';

import { load } from '../state/service.js';
import { apiKey, useKey } from '../state/session.js';
import { words } from '../words.js';
import { currentView } from './current_view.js';
import { VIEWS } from './views.js';

/** Shows what was made, without a word in the address. @param {MouseEvent} event */
function toPieces(event) {
  event.preventDefault();
  const pieces = document.getElementById('pieces');
  pieces?.scrollIntoView();
  pieces?.focus();
}

export function Header() {
  const busy = load.value;
  const current = currentView();
  return html`<header class="top">
    <h1>${words.name}</h1>
    <nav aria-label=${words.nav}>
      ${VIEWS.map(
        (view) => html`<a key=${view.name} href="#/${view.name}" aria-current=${view === current ? 'page' : undefined}>${view.label}</a>`,
      )}
      <a href="#pieces" onClick=${toPieces}>${words.pieces.title}</a>
    </nav>
    <p class="load small">${busy ? words.load(busy.workers, busy.queued) : ''}</p>
    ${apiKey.value && html`<button type="button" class="quiet" onClick=${() => useKey('')}>${words.key.forget}</button>`}
  </header>`;
}
