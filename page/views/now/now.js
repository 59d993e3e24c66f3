// Now: what is being made: one take large, or those of a submission beside each other, and all else in a list.

import { html } from 'htm/preact';
import { useState } from 'preact/hooks';

import { chosen, choose, siblings, takes } from '../../state/takes.js';
import { words } from '../../words.js';
import { PlayTake } from './play_take.js';
import { stageOf } from './stage.js';
import { TakeCard } from './take_card.js';
import { TakesBeside } from './takes_beside.js';

/** @typedef {import('../../state/take.js').Take} Take */

function Takes() {
  const [take, all] = [chosen.value, siblings.value];
  if (!take) return html`<p class="soft">${words.now.nothing}</p>`;
  return all.length > 1 ? html`<${TakesBeside} takes=${all} />` : html`<${TakeCard} key=${take.id} take=${take} />`;
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

/** On a narrow screen: all of it in a line, which opens. @param {{ take: Take, open: boolean, onOpen: () => void }} props */
function Bar({ take, open, onOpen }) {
  return html`<div class="now-bar">
    <${PlayTake} take=${take} />
    <button type="button" class="title" aria-expanded=${open ? 'true' : 'false'} onClick=${onOpen}>
      <span class="prompt">${take.state.value.prompt || words.pieces.untitled}</span>
      <span class="small soft figures">${stageOf(take)}</span>
    </button>
  </div>`;
}

export function Now() {
  const [open, setOpen] = useState(false);
  const take = chosen.value;
  return html`<section class="now panel ${open ? 'open' : ''} ${take ? '' : 'empty'}" aria-labelledby="now-title">
    <h2 id="now-title">${words.now.title}</h2>
    ${take && html`<${Bar} take=${take} open=${open} onOpen=${() => setOpen(!open)} />`}
    <div class="now-body">
      <${Takes} />
      <${Others} />
    </div>
  </section>`;
}
