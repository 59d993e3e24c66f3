// StripRow: one stem on the desk: its waveform beside the others', level, panning, mute and solo.

import { html } from 'htm/preact';

import { LOUDEST_DB, OFF_DB } from '../../lib/mixer.js';
import { useFrames } from '../../lib/ticking.js';
import { words } from '../../words.js';
import { Wave } from '../wave.js';

/** @typedef {import('../../state/desk.js').Desk} Desk */

const LEAST_DB = -48; // of the slider; at its end the stem is left out
const FLAT = new Array(60).fill(0.05);

/** @param {{ currentTarget: HTMLInputElement }} event */
const numberIn = (event) => Number(event.currentTarget.value);

/** @param {{ desk: Desk, name: string }} props */
export function StripRow({ desk, name }) {
  const player = desk.player.value;
  useFrames(player?.playing.value ?? false);
  const strip = desk.strips.value[name];
  const off = desk.heard.value[name].level <= OFF_DB;
  const durationS = player?.durationS ?? 0;
  const positionS = player?.positionS ?? 0;
  const picture = { peaks: desk.peaks[name] ?? FLAT, heard: durationS ? positionS / durationS : 0, made: off ? 0 : 1 };
  const fault = desk.gone.value[name];
  if (fault) {
    return html`<li class="strip">
      <p class="name">${name}</p>
      <p class="fault" role="alert">${fault}</p>
    </li>`;
  }
  const switches = /** @type {const} */ (['muted', 'solo']);
  return html`<li class="strip">
    <p class="name">${name}</p>
    <${Wave}
      class="stem"
      picture=${picture}
      label=${words.desk.wave(name)}
      positionS=${positionS}
      durationS=${durationS}
      onSeek=${(/** @type {number} */ seconds) => player?.seek(seconds)}
    />
    <div class="line">
      <label class="fader">
        <span class="small">${words.desk.level}</span>
        <input
          type="range"
          min=${LEAST_DB}
          max=${LOUDEST_DB / 2}
          step="0.5"
          value=${Math.max(LEAST_DB, strip.level)}
          aria-label=${words.desk.levelOf(name)}
          aria-valuetext=${words.desk.db(strip.level)}
          onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => desk.change(name, { level: numberIn(event) <= LEAST_DB ? OFF_DB : numberIn(event) })}
        />
        <output class="small figures">${words.desk.db(strip.level)}</output>
      </label>
      <label class="fader">
        <span class="small">${words.desk.panning}</span>
        <input
          type="range"
          min="-1"
          max="1"
          step="0.05"
          value=${strip.panning}
          aria-label=${words.desk.panningOf(name)}
          aria-valuetext=${words.desk.side(strip.panning)}
          onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => desk.change(name, { panning: numberIn(event) })}
        />
        <output class="small figures">${words.desk.side(strip.panning)}</output>
      </label>
      ${switches.map(
        (which) => html`<button
          key=${which}
          type="button"
          class="chip"
          aria-pressed=${desk[which].value.has(name) ? 'true' : 'false'}
          aria-label=${`${words.desk[which]}: ${name}`}
          onClick=${() => desk.toggle(which, name)}
        >
          ${words.desk[which]}
        </button>`,
      )}
    </div>
  </li>`;
}
