// FavouriteButton: a piece that is starred stays at the server until it is none any more.

import { html } from 'htm/preact';

import { editPiece } from '../../state/pieces.js';
import { words } from '../../words.js';

const text = words.keep;

/** @param {{ piece: import('musicgen-api').TaskState, name: string, onFault: (fault: string) => void }} props */
export function FavouriteButton({ piece, name, onFault }) {
  const favourite = Boolean(piece.favourite);
  const toggle = () =>
    editPiece(piece.task_id, { favourite: !favourite }).then(() => onFault(''), (error) => onFault(error.message));
  return html`<button
    type="button"
    class="quiet star"
    aria-pressed=${favourite ? 'true' : 'false'}
    aria-label=${`${text.favourite}: ${name}`}
    title=${favourite ? text.unmark : text.mark}
    onClick=${toggle}
  >
    ${favourite ? '★' : '☆'}
  </button>`;
}
