// SearchBox: finds pieces by their words, and shows favourites alone.

import { html } from 'htm/preact';
import { useEffect } from 'preact/hooks';

import { favouritesOnly, query, searching, settled, shown, watchSearch } from '../../state/search.js';
import { words } from '../../words.js';

const text = words.search;

export function SearchBox() {
  useEffect(watchSearch, []);
  const count = shown.value.length;
  return html`<div class="search" role="search">
    <input
      id="search"
      type="search"
      maxlength="200"
      placeholder=${text.label}
      aria-label=${text.label}
      value=${query.value}
      onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => (query.value = event.currentTarget.value)}
    />
    <button
      type="button"
      class="chip"
      aria-pressed=${favouritesOnly.value ? 'true' : 'false'}
      onClick=${() => (favouritesOnly.value = !favouritesOnly.value)}
    >
      ★ ${text.favourites}
    </button>
    <p class="small soft" role="status">${searching.value && settled.value && !count ? text.nothing : ''}</p>
  </div>`;
}
