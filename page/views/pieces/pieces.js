// Pieces: what was made before, by day.

import { html } from 'htm/preact';

import { day } from '../../lib/time.js';
import { loaded } from '../../state/pieces.js';
import { moreShown, searching, showMore, shown } from '../../state/search.js';
import { words } from '../../words.js';
import { FirstVisit } from './first_visit.js';
import { PieceRow } from './piece_row.js';
import { SearchBox } from './search_box.js';

/** @typedef {import('musicgen-api').TaskState} TaskState */

/** @param {TaskState[]} all @returns {[string, TaskState[]][]} */
function byDay(all) {
  /** @type {Map<string, TaskState[]>} */
  const days = new Map();
  for (const piece of all) {
    const name = day(piece.created_at);
    days.set(name, [...(days.get(name) ?? []), piece]);
  }
  return [...days];
}

export function Pieces() {
  const days = byDay(shown.value);
  return html`<section class="pieces" id="pieces" tabindex="-1" aria-labelledby="pieces-title">
    <div class="line"><h2 id="pieces-title">${words.pieces.title}</h2><${SearchBox} /></div>
    ${loaded.value && !searching.value && !days.length && html`<${FirstVisit} />`}
    ${days.map(
      ([name, all]) => html`<section key=${name} aria-label=${name}>
        <h3>${name}</h3>
        <ul class="list">
          ${all.map((piece) => html`<${PieceRow} key=${piece.task_id} piece=${piece} />`)}
        </ul>
      </section>`,
    )}
    ${moreShown.value && html`<button type="button" onClick=${() => showMore().catch(() => {})}>${words.pieces.more}</button>`}
  </section>`;
}
