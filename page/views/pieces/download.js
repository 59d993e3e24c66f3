// Download: the piece's file, into the browser's downloads.

import { html } from 'htm/preact';
import { useState } from 'preact/hooks';

import { ask } from '../../state/session.js';
import { words } from '../../words.js';

/** @param {{ piece: import('musicgen-api').TaskState }} props */
export function Download({ piece }) {
  const [fault, setFault] = useState('');
  const save = async () => {
    setFault('');
    try {
      const clip = await ask((client) => client.task(piece.task_id).wait());
      await clip.save();
    } catch (error) {
      setFault(error instanceof Error ? error.message : String(error));
    }
  };
  return html`<div class="line">
    <button type="button" onClick=${save}>${piece.format}</button>
    <p class="fault" role="alert">${fault}</p>
  </div>`;
}
