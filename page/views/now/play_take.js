// PlayTake: plays and pauses a take, also while it is made.

import { html } from 'htm/preact';

import { toggle } from '../../state/takes.js';
import { words } from '../../words.js';
import { sounds } from './stage.js';

/** @param {{ take: import('../../state/take.js').Take, name?: string }} props `name` tells it from those beside it */
export function PlayTake({ take, name = '' }) {
  if (!sounds(take)) return null;
  const playing = take.sound.playing.value;
  const does = playing ? words.now.pause : words.now.play;
  return html`<button type="button" class="round" aria-label=${name ? `${does}: ${name}` : does} onClick=${() => toggle(take)}>
    ${playing ? '❚❚' : '▶'}
  </button>`;
}
