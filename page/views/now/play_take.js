// PlayTake: plays and pauses a take, also while it is made.

import { html } from 'htm/preact';

import { loadSound } from '../../state/takes.js';
import { words } from '../../words.js';

/** @typedef {import('../../state/take.js').Take} Take */

/** @param {Take} take */
async function toggle(take) {
  if (!take.sound.playing.value && take.ended) await loadSound(take);
  take.sound.toggle();
}

/** @param {{ take: Take }} props */
export function PlayTake({ take }) {
  const playing = take.sound.playing.value;
  const { status } = take.state.value;
  if (status === 'failed' || status === 'cancelled') return null;
  return html`<button
    type="button"
    class="round"
    aria-label=${playing ? words.now.pause : words.now.play}
    onClick=${() => toggle(take).catch(() => {})}
  >
    ${playing ? '❚❚' : '▶'}
  </button>`;
}
