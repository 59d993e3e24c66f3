// PieceRow: one piece in the list, to play and to open.

import { html } from 'htm/preact';
import { useState } from 'preact/hooks';

import { useFrames } from '../../lib/ticking.js';
import { pictureOf } from '../../state/pieces.js';
import { soundOf } from '../../state/sounds.js';
import { words } from '../../words.js';
import { Wave } from '../wave.js';

/** @typedef {import('musicgen-api').TaskState} TaskState */

const FLAT = new Array(60).fill(0.05);

/** @param {{ piece: TaskState }} props */
export function PieceRow({ piece }) {
  const [fault, setFault] = useState('');
  const sound = soundOf(piece.task_id);
  const playing = sound.playing.value;
  useFrames(playing);
  const durationS = piece.duration ?? 0;
  const made = piece.status === 'completed';
  const name = piece.prompt || words.pieces.untitled;
  const toggle = () => sound.toggle().then(() => setFault(''), () => setFault(words.pieces.gone));
  const picture = { peaks: pictureOf(piece.task_id) ?? FLAT, heard: durationS ? sound.positionS / durationS : 0 };
  return html`<li class="piece">
    <div class="line">
      <button
        type="button"
        class="round"
        disabled=${!made}
        aria-label=${`${playing ? words.pieces.pause : words.pieces.play}: ${name}`}
        onClick=${toggle}
      >
        ${playing ? '❚❚' : '▶'}
      </button>
      <${Wave} class="small-wave" picture=${picture} label=${name} positionS=${sound.positionS} durationS=${durationS} />
      <p class="prompt">${name}</p>
      <p class="small soft figures">
        ${made ? words.seconds(Math.round(durationS)) : piece.status === 'failed' ? words.pieces.failed : words.pieces.cancelled}
      </p>
    </div>
    ${fault && html`<p class="fault" role="alert">${fault}</p>`}
  </li>`;
}
