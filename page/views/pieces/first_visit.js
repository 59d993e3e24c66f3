// FirstVisit: where there is no piece yet, an example is one tap away.

import { html } from 'htm/preact';

import { change, fields, make } from '../../state/form.js';
import { modelNamed } from '../../state/service.js';
import { words } from '../../words.js';

const SHOWN = 4;

export function FirstVisit() {
  const examples = modelNamed(fields.value.model)?.vocabulary?.examples ?? [];
  /** @param {string} prompt */
  const begin = (prompt) => {
    change({ prompt });
    make();
  };
  return html`<div class="first">
    <p class="soft">${words.pieces.nothing} ${examples.length > 0 && words.pieces.examples}</p>
    ${examples.slice(0, SHOWN).map(
      (example) => html`<button key=${example} type="button" onClick=${() => begin(example)}>▶ ${example}</button>`,
    )}
  </div>`;
}
