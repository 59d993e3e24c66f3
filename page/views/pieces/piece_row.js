// PieceRow: one piece in the list, to play, and to open for all that can be done with it.

import { html } from 'htm/preact';
import { useState } from 'preact/hooks';

import { loopBetween } from '../../lib/loop.js';
import { nameOf } from '../../lib/naming.js';
import { current } from '../../lib/speakers.js';
import { useFrames } from '../../lib/ticking.js';
import { soundFault } from '../../state/faults.js';
import { pictureOf } from '../../state/pieces.js';
import { soundOf } from '../../state/sounds.js';
import { words } from '../../words.js';
import { Listening } from '../listening.js';
import { Wave } from '../wave.js';
import { FavouriteButton } from './favourite_button.js';
import { PieceActions } from './piece_actions.js';
import { PiecePlayer } from './piece_player.js';

/** @typedef {import('musicgen-api').TaskState} TaskState */

const FLAT = new Array(60).fill(0.05);
const text = words.pieces;

/** @param {TaskState} piece */
function remark(piece) {
  if (piece.status === 'failed') return text.failed;
  if (piece.status === 'cancelled') return text.cancelled;
  return words.seconds(Math.round(piece.duration ?? 0));
}

/** @param {{ piece: TaskState, name: string, onFault: (fault: string) => void }} props */
function PlayButton({ piece, name, onFault }) {
  const sound = soundOf(piece.task_id);
  const playing = sound.playing.value;
  const toggle = () => sound.toggle().then(() => onFault(''), (error) => onFault(soundFault(error)));
  return html`<button
    type="button"
    class="round"
    disabled=${piece.status !== 'completed'}
    aria-label=${`${playing ? text.pause : text.play}: ${name}`}
    onClick=${toggle}
  >
    ${playing ? '❚❚' : '▶'}
  </button>`;
}

/** Its sound and its picture, drawn again while it plays. @param {TaskState} piece */
function usePicture(piece) {
  const sound = soundOf(piece.task_id);
  useFrames(sound.playing.value);
  void sound.moves.value;
  const { positionS } = sound;
  const durationS = piece.duration ?? 0;
  const picture = { peaks: pictureOf(piece.task_id) ?? FLAT, heard: durationS ? positionS / durationS : 0 };
  return { sound, picture, positionS, durationS };
}

/** @param {{ piece: TaskState, name: string }} props */
function SmallWave({ piece, name }) {
  const { sound, ...shown } = usePicture(piece);
  return html`<${Wave} class="small-wave" label=${name} ...${shown} />`;
}

/** Of what is heard, or was heard last: where to listen, what to loop and how loud. @param {{ piece: TaskState, name: string }} props */
function Heard({ piece, name }) {
  const { sound, ...shown } = usePicture(piece);
  return html`<div class="heard">
    <${Wave}
      class="middle"
      label=${words.now.waveOf(name)}
      loop=${sound.loop.value}
      onSeek=${(/** @type {number} */ seconds) => sound.seek(seconds).catch(() => {})}
      onMark=${(/** @type {number} */ oneS, /** @type {number} */ otherS) => loopBetween(sound, oneS, otherS)}
      ...${shown}
    />
    <${Listening} sound=${sound} />
  </div>`;
}

/** @param {{ piece: TaskState }} props */
export function PieceRow({ piece }) {
  const [fault, setFault] = useState('');
  const [open, setOpen] = useState(false);
  const name = nameOf(piece, text.untitled);
  return html`<li class="piece" data-id=${piece.task_id}>
    <div class="line">
      <${PlayButton} piece=${piece} name=${name} onFault=${setFault} />
      <${SmallWave} piece=${piece} name=${name} />
      <button type="button" class="title" aria-expanded=${open ? 'true' : 'false'} onClick=${() => setOpen(!open)}>${name}</button>
      <p class="small soft figures">${remark(piece)}</p>
      ${piece.status === 'completed' && html`<${FavouriteButton} piece=${piece} name=${name} onFault=${setFault} />`}
    </div>
    ${fault && html`<p class="fault" role="alert">${fault}</p>`}
    ${!open && current.value === soundOf(piece.task_id) && html`<${Heard} piece=${piece} name=${name} />`}
    ${open &&
    html`<div class="opened">
      ${piece.status === 'completed' && html`<${PiecePlayer} piece=${piece} name=${name} />`}
      ${piece.error && html`<p class="fault">${words.now.failed(piece.error)}</p>`}
      <p class="small soft figures">${piece.model} · ${text.seed} ${piece.seed}${piece.format ? ` · ${piece.format}` : ''}</p>
      <${PieceActions} piece=${piece} />
    </div>`}
  </li>`;
}
