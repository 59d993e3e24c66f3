// GoOn: music that goes on from any second of a piece; what came after it is left out.

import { html } from 'htm/preact';
import { useState } from 'preact/hooks';

import { sentenceOf } from '../../state/faults.js';
import { send } from '../../state/form.js';
import { soundOf } from '../../state/sounds.js';
import { words } from '../../words.js';

/** @typedef {import('musicgen-api').TaskState} TaskState */

const text = words.goOn;
const LEAST_S = 0.5;
const STEP_S = 0.1;
const USUAL_S = 8;

/** @param {number} seconds @param {number} longest */
const rounded = (seconds, longest) => Math.min(longest, Math.max(LEAST_S, Math.round(seconds * 10) / 10));

/** The request that keeps so much of a piece and adds so much to it.
 *
 * @param {TaskState} piece
 * @param {number} at
 * @param {number} more
 * @param {string} prompt
 */
export function goOnFrom(piece, at, more, prompt) {
  const durationS = piece.duration ?? 0;
  const cut = at < durationS ? { continue_at: at } : {};
  return { continue_from: piece.task_id, ...cut, duration: Math.min(at, durationS) + more, prompt };
}

/** @param {{ piece: TaskState, close: () => void }} props */
export function GoOn({ piece, close }) {
  const durationS = piece.duration ?? 0;
  const sound = soundOf(piece.task_id);
  const [at, setAt] = useState(sound.positionS ? rounded(sound.positionS, durationS) : durationS);
  const [more, setMore] = useState(USUAL_S);
  const [prompt, setPrompt] = useState(piece.prompt);
  const [fault, setFault] = useState('');
  /** @param {SubmitEvent} event */
  const submit = (event) => {
    event.preventDefault();
    setFault('');
    send(goOnFrom(piece, at, more, prompt.trim()), 1).then(close, (error) => setFault(sentenceOf(error)));
  };
  const id = `go-on-${piece.task_id}`;
  return html`<form class="go-on" onSubmit=${submit}>
    <div class="line">
      <label for="${id}-at">${text.at}</label>
      <input
        id="${id}-at"
        type="range"
        min=${LEAST_S}
        max=${durationS}
        step=${STEP_S}
        value=${at}
        aria-valuetext=${words.seconds(at)}
        onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => setAt(rounded(Number(event.currentTarget.value), durationS))}
      />
      <output for="${id}-at">${words.seconds(at)}</output>
      <button type="button" class="quiet" onClick=${() => setAt(rounded(sound.positionS, durationS))}>${text.here}</button>
    </div>
    <div class="line">
      <label for="${id}-more">${text.more}</label>
      <input
        id="${id}-more"
        type="number"
        min=${LEAST_S}
        step="any"
        value=${more}
        onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => setMore(Number(event.currentTarget.value))}
      />
      <label for="${id}-prompt">${text.prompt}</label>
      <input
        id="${id}-prompt"
        type="text"
        class="grows"
        value=${prompt}
        onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => setPrompt(event.currentTarget.value)}
      />
      <button type="submit">${text.button}</button>
    </div>
    <p class="small soft">${at < durationS ? text.cuts(at) : text.end}</p>
    <p class="fault" role="alert">${fault}</p>
  </form>`;
}
