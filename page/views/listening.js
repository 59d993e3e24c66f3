// Listening: how one listens to a sound: what of it is looped, and how loud.

import { html } from 'htm/preact';

import { loopFromHere, loopToHere, toggleLoop } from '../lib/loop.js';
import { volume } from '../lib/speakers.js';
import { words } from '../words.js';

const text = words.listening;

/** @param {{ sound: import('../lib/loop.js').Loopable, children?: import('preact').ComponentChildren }} props */
export function Listening({ sound, children }) {
  const region = sound.loop.value;
  const said = !region ? text.hint : Number.isFinite(region.toS) ? text.loops(region.fromS, region.toS) : text.loopsFrom(region.fromS);
  return html`<div class="listening line small">
    <button type="button" class="quiet" aria-pressed=${region ? 'true' : 'false'} onClick=${() => toggleLoop(sound)}>${text.loop}</button>
    ${region &&
    html`<button type="button" class="quiet" onClick=${() => loopFromHere(sound)}>${text.fromHere}</button>
      <button type="button" class="quiet" onClick=${() => loopToHere(sound)}>${text.toHere}</button>`}
    <p class="soft figures" role="status">${said}</p>
    ${children}
    <label class="volume">
      <span>${text.volume}</span>
      <input
        type="range"
        min="0"
        max="1"
        step="0.05"
        value=${volume.value}
        onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => (volume.value = Number(event.currentTarget.value))}
      />
    </label>
  </div>`;
}
