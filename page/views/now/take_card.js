// TakeCard: one take while it is made and after, by itself and large.

import { html } from 'htm/preact';

import { words } from '../../words.js';
import { Listening } from '../listening.js';
import { Player } from './player.js';
import { Progress } from './progress.js';
import { durationOf, sounds } from './stage.js';

/** @param {{ take: import('../../state/take.js').Take }} props */
export function TakeCard({ take }) {
  const state = take.state.value;
  return html`<article class="take chosen">
    <div class="line head">
      <p class="prompt">${state.prompt || words.pieces.untitled}</p>
      <p class="small soft figures">${words.seconds(Math.round(durationOf(take)))} · ${state.model} · ${words.pieces.seed} ${state.seed}</p>
    </div>
    ${state.melody_seconds && html`<p class="small soft figures">${words.melody.heard(state.melody_seconds)}</p>`}
    ${sounds(take) && html`<${Player} take=${take} size="large"><${Listening} sound=${take.sound} /></${Player}>`}
    <${Progress} take=${take} />
  </article>`;
}
