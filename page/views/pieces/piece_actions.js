// PieceActions: the row of what can be done with a piece, and the panel of the one that is open.

import { html } from 'htm/preact';
import { useState } from 'preact/hooks';

import { sentenceOf } from '../../state/faults.js';
import { words } from '../../words.js';
import { ACTIONS } from './actions.js';

/** @typedef {import('./actions.js').Action} Action */
/** @typedef {import('musicgen-api').TaskState} TaskState */

/** @param {{ piece: TaskState }} props */
export function PieceActions({ piece }) {
  const [opened, setOpened] = useState('');
  const [fault, setFault] = useState('');
  const actions = ACTIONS.filter((action) => action.applies(piece));
  const panel = actions.find((action) => action.name === opened)?.panel;
  /** @param {Action} action */
  const run = async (action) => {
    setFault('');
    try {
      await action.run?.(piece);
    } catch (error) {
      setFault(sentenceOf(error));
    }
  };
  /** @param {Action} action */
  const press = (action) => (action.panel ? setOpened(opened === action.name ? '' : action.name) : run(action));
  return html`<div class="actions" role="group" aria-label=${words.pieces.actions}>
      ${actions.map(
        (action) => html`<button
          key=${action.name}
          type="button"
          class="quiet"
          aria-expanded=${action.panel ? String(opened === action.name) : undefined}
          onClick=${() => press(action)}
        >
          ${action.label}
        </button>`,
      )}
    </div>
    ${fault && html`<p class="fault" role="alert">${fault}</p>`}
    ${panel && html`<${panel} piece=${piece} close=${() => setOpened('')} />`}`;
}
