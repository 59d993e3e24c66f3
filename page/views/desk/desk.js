// DeskPanel: the stems of a piece to mix by ear, and what the server is to make of it.

import { html } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';

import { LEFT_OUT } from '../../lib/mixer.js';
import { useFrames } from '../../lib/ticking.js';
import { clock } from '../../lib/time.js';
import { Desk } from '../../state/desk.js';
import { words } from '../../words.js';
import { StripRow } from './strip_row.js';

/** @typedef {import('musicgen-api').TaskState} TaskState */

/** @param {{ desk: Desk }} props */
function Transport({ desk }) {
  const player = desk.player.value;
  const playing = player?.playing.value ?? false;
  useFrames(playing);
  return html`<div class="transport">
    <button
      type="button"
      class="round"
      disabled=${!player}
      aria-label=${playing ? words.desk.pause : words.desk.play}
      onClick=${() => player?.toggle()}
    >
      ${playing ? '❚❚' : '▶'}
    </button>
    <span class="figures" role="status">
      ${player ? `${clock(player.positionS)} / ${clock(player.durationS)}` : words.desk.loading}
    </span>
  </div>`;
}

/** @param {{ desk: Desk, run: (what: () => Promise<void>) => void, preset: string }} props */
function Again({ desk, run, preset }) {
  const [chosen, choose] = useState(preset);
  const input = (/** @type {{ currentTarget: HTMLInputElement }} */ event) => (desk.loudness.value = Number(event.currentTarget.value));
  return html`<div class="line again">
    <label>${words.desk.loudness} <input type="number" min="-40" max="-6" step="0.5" value=${desk.loudness.value} onInput=${input} /></label>
    <button type="button" class="main" onClick=${() => run(() => desk.mixAgain())}>${words.desk.again}</button>
    <label>
      ${words.instruments.preset}
      <select value=${chosen} onChange=${(/** @type {{ currentTarget: HTMLSelectElement }} */ event) => choose(event.currentTarget.value)}>
        ${Object.entries(words.instruments.presets).map(([name, label]) => html`<option key=${name} value=${name}>${label}</option>`)}
      </select>
    </label>
    <button type="button" onClick=${() => run(() => desk.mixBy(chosen))}>${words.desk.byPreset}</button>
  </div>`;
}

/** @param {{ piece: TaskState }} props */
export function DeskPanel({ piece }) {
  const [desk] = useState(() => new Desk(piece));
  const [fault, setFault] = useState('');
  const run = (/** @type {() => Promise<void>} */ what) => {
    setFault('');
    what().catch((error) => setFault(error instanceof Error ? error.message : String(error)));
  };
  useEffect(() => {
    run(() => desk.open());
    return () => desk.close();
  }, [desk]);
  const approximate = Object.values(desk.strips.value).some(({ effects }) => effects?.some(({ type }) => LEFT_OUT.includes(type)));
  return html`<div class="desk">
    <${Transport} desk=${desk} />
    <ul class="list">
      ${desk.names.map((name) => html`<${StripRow} key=${name} desk=${desk} name=${name} />`)}
    </ul>
    ${(approximate || piece.mix_preset) && html`<p class="small soft">${words.desk.approximate}</p>`}
    <${Again} desk=${desk} run=${run} preset=${piece.mix_preset ?? ''} />
    <p class="fault" role="alert">${fault}</p>
  </div>`;
}
