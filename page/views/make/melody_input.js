// MelodyInput: the melody that the music is to follow.

import { html } from 'htm/preact';

import { melody } from '../../state/melodies.js';
import { words } from '../../words.js';
import { Fault } from './field.js';

export function MelodyInput() {
  const given = melody.value;
  return html`<div class="melody">
    ${given &&
    html`<p>
      ${words.form.melody}: ${given.name}
      <button type="button" class="quiet" onClick=${() => (melody.value = null)}>${words.form.removeMelody}</button>
    </p>`}
    <${Fault} name="melody" />
  </div>`;
}
