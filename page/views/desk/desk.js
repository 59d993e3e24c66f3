// DeskPanel: the stems of a piece to mix by ear, and what the server is to make of it.

import { html } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';

import { useFrames } from '../../lib/ticking.js';
import { clock } from '../../lib/time.js';
import { Desk } from '../../state/desk.js';
import { words } from '../../words.js';
import { StripRow } from './strip_row.js';

/** @typedef {import('musicgen-api').TaskState} TaskState */

/** @param {{ desk: Desk }} props */
function Transport({ desk }) {
  const player = desk.player.value;
  const allGone = Object.keys(desk.gone.value).length === desk.names.length;
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
      ${player ? `${clock(player.positionS)} / ${clock(player.durationS)}` : allGone ? words.desk.allGone : words.desk.loading}
    </span>
  </div>`;
}

/** @param {{ desk: Desk, run: (what: () => Promise<void>) => void }} props */
function Again({ desk, run }) {
  const isWhole = !Object.keys(desk.gone.value).length;
  const input = (/** @type {{ currentTarget: HTMLInputElement }} */ event) => (desk.loudness.value = Number(event.currentTarget.value));
  return html`<div class="line again">
      <label>
        ${words.instruments.preset}
        <select
          value=${desk.preset.value}
          onChange=${(/** @type {{ currentTarget: HTMLSelectElement }} */ event) => {
            const { value } = event.currentTarget;
            run(() => desk.choose(value));
          }}
        >
          ${Object.entries(words.instruments.presets).map(([name, label]) => html`<option key=${name} value=${name}>${label}</option>`)}
        </select>
      </label>
      <label>${words.desk.loudness} <input type="number" min="-40" max="-6" step="0.5" value=${desk.loudness.value} onInput=${input} /></label>
      <button type="button" class="main" disabled=${!isWhole} onClick=${() => run(() => desk.mixAgain())}>${words.desk.again}</button>
    </div>
    ${!isWhole && html`<p class="small soft">${words.desk.notAgain}</p>`}`;
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
  const reverberates = Object.values(desk.strips.value).some(({ effects }) => effects?.some(({ type }) => type === 'reverb'));
  return html`<div class="desk">
    <${Transport} desk=${desk} />
    <ul class="list">
      ${desk.names.map((name) => html`<${StripRow} key=${name} desk=${desk} name=${name} />`)}
    </ul>
    ${reverberates && html`<p class="small soft">${words.desk.reverb}</p>`}
    <${Again} desk=${desk} run=${run} />
    <p class="fault" role="alert">${fault}</p>
  </div>`;
}
