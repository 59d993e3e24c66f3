// Rename: another title for a piece; without one it is called by its prompt.

import { html } from 'htm/preact';
import { useEffect, useRef, useState } from 'preact/hooks';

import { editPiece } from '../../state/pieces.js';
import { words } from '../../words.js';

const text = words.keep;
const LONGEST = 200;

/** @param {{ piece: import('musicgen-api').TaskState, close: () => void }} props */
export function Rename({ piece, close }) {
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [fault, setFault] = useState('');
  useEffect(() => input.current?.select(), []);
  /** @param {SubmitEvent} event */
  const save = (event) => {
    event.preventDefault();
    const title = input.current?.value.trim() || null;
    editPiece(piece.task_id, { title }).then(close, (error) => setFault(error.message));
  };
  const id = `title-${piece.task_id}`;
  return html`<form class="line" onSubmit=${save}>
    <label for=${id}>${text.title}</label>
    <input id=${id} ref=${input} type="text" class="grows" maxlength=${LONGEST} value=${piece.title ?? ''} placeholder=${piece.prompt} />
    <button type="submit">${text.save}</button>
    <button type="button" class="quiet" onClick=${close}>${text.cancel}</button>
    <p class="fault" role="alert">${fault}</p>
  </form>`;
}
