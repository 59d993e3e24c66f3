// Remove: asks once, then deletes the piece and its files at the server.

import { html } from 'htm/preact';
import { useState } from 'preact/hooks';

import { removePiece } from '../../state/pieces.js';
import { words } from '../../words.js';

/** @param {{ piece: import('musicgen-api').TaskState, close: () => void }} props */
export function Remove({ piece, close }) {
  const [fault, setFault] = useState('');
  const remove = () => removePiece(piece.task_id).catch((error) => setFault(error.message));
  return html`<div class="line" role="group" aria-label=${words.pieces.removeSure}>
    <p>${words.pieces.removeSure}</p>
    <button type="button" class="danger" onClick=${remove}>${words.pieces.removeYes}</button>
    <button type="button" onClick=${close}>${words.pieces.removeNo}</button>
    <p class="fault" role="alert">${fault}</p>
  </div>`;
}
