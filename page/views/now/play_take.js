// PlayTake: plays and pauses a take, also while it is made.

import { html } from 'htm/preact';

import { words } from '../../words.js';

/** @typedef {import('../../state/take.js').Take} Take */

/** @param {{ take: Take }} props */
export function PlayTake({ take }) {
  const playing = take.sound.playing.value;
  const { status } = take.state.value;
  if (status === 'failed' || status === 'cancelled') return null;
  return html`<button
    type="button"
    class="round"
    aria-label=${playing ? words.now.pause : words.now.play}
    onClick=${() => take.sound.toggle()}
  >
    ${playing ? '❚❚' : '▶'}
  </button>`;
}
