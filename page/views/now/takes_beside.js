// TakesBeside: takes of one request beside each other, each to play at once; one of them is chosen.

import { html } from 'htm/preact';

import { choose, chosen } from '../../state/takes.js';
import { words } from '../../words.js';
import { Listening } from '../listening.js';
import { Player } from './player.js';
import { Progress } from './progress.js';
import { durationOf, sounds } from './stage.js';

/** @typedef {import('../../state/take.js').Take} Take */

/** @param {{ take: Take, number: number }} props */
function Tile({ take, number }) {
  const isChosen = take === chosen.value;
  const name = words.now.take(number);
  return html`<article class="take tile ${isChosen ? 'chosen' : ''}" aria-label=${name}>
    <div class="line">
      <button type="button" class="chip" aria-pressed=${isChosen ? 'true' : 'false'} onClick=${() => choose(take)}>${name}</button>
      <p class="small soft figures">${words.pieces.seed} ${take.state.value.seed}</p>
    </div>
    ${sounds(take) && html`<${Player} take=${take} size="middle" name=${name} />`}
    <${Progress} take=${take} name=${name} />
  </article>`;
}

/** @param {{ takes: Take[] }} props */
export function TakesBeside({ takes }) {
  const one = chosen.value ?? takes[0];
  const state = one.state.value;
  return html`<div class="takes-beside" role="group" aria-label=${words.form.takes}>
    <div class="line head">
      <p class="prompt">${state.prompt || words.pieces.untitled}</p>
      <p class="small soft figures">${words.seconds(Math.round(durationOf(one)))} · ${state.model}</p>
    </div>
    ${state.melody_seconds && html`<p class="small soft figures">${words.melody.heard(state.melody_seconds)}</p>`}
    <div class="tiles">${takes.map((take, at) => html`<${Tile} key=${take.id} take=${take} number=${at + 1} />`)}</div>
    <${Listening} sound=${one.sound} />
  </div>`;
}
