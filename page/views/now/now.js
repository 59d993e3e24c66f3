// Now: what is being made, the chosen take large, the others of its submission beside it, all else in a list.

import { html } from 'htm/preact';

import { chosen, choose, siblings, takes } from '../../state/takes.js';
import { words } from '../../words.js';
import { TakeCard } from './take_card.js';
import { stageOf } from './stage.js';

function Siblings() {
  const all = siblings.value;
  if (all.length < 2) return null;
  return html`<div class="siblings" role="group" aria-label=${words.form.takes}>
    ${all.map(
      (take, at) => html`<button
        key=${take.id}
        type="button"
        class="chip"
        aria-pressed=${take === chosen.value ? 'true' : 'false'}
        onClick=${() => choose(take)}
      >
        ${words.now.take(at + 1)}
      </button>`,
    )}
  </div>`;
}

function Others() {
  const shown = new Set([chosen.value, ...siblings.value]);
  const others = takes.value.filter((take) => !shown.has(take) && !take.ended);
  if (!others.length) return null;
  return html`<div class="others">
    <h3>${words.now.others}</h3>
    <ul>
      ${others.map(
        (take) => html`<li key=${take.id}>
          <button type="button" class="quiet" onClick=${() => choose(take)}>
            ${take.state.value.prompt || words.pieces.untitled} <span class="soft">${stageOf(take)}</span>
          </button>
        </li>`,
      )}
    </ul>
  </div>`;
}

export function Now() {
  const take = chosen.value;
  return html`<section class="now panel" aria-labelledby="now-title">
    <h2 id="now-title">${words.now.title}</h2>
    ${take ? html`<${Siblings} /><${TakeCard} key=${take.id} take=${take} />` : html`<p class="soft">${words.now.nothing}</p>`}
    <${Others} />
  </section>`;
}
