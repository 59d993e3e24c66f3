// Chips: words that the chosen model says it knows, which write themselves into the prompt.

import { html } from 'htm/preact';
import { useState } from 'preact/hooks';

import { change, fields } from '../../state/form.js';
import { modelNamed } from '../../state/service.js';
import { has, surprise, toggled } from '../../lib/prompt.js';
import { words } from '../../words.js';

const AT_FIRST = 4; // what a line holds
const text = words.form;
const GROUPS = /** @type {const} */ ([
  ['instruments', text.instruments],
  ['moods', text.moods],
  ['tempi', text.tempi],
  ['genres', text.genres],
  ['drums', text.drums],
]);

/** @param {{ name: string, chips: string[] }} props */
function Group({ name, chips }) {
  const [all, setAll] = useState(false);
  const { prompt } = fields.value;
  const shown = chips.filter((chip, at) => all || chips.length <= AT_FIRST + 1 || at < AT_FIRST || has(prompt, chip));
  return html`<div class="chip-group" role="group" aria-label=${name}>
    <span class="small soft" aria-hidden="true">${name}</span>
    <div class="chip-row">
    ${shown.map(
      (chip) => html`<button
        key=${chip}
        type="button"
        class="chip"
        aria-pressed=${has(prompt, chip) ? 'true' : 'false'}
        onClick=${() => change({ prompt: toggled(prompt, chip, chips) })}
      >
        ${chip}
      </button>`,
    )}
    ${shown.length < chips.length &&
    html`<button type="button" class="chip" aria-label=${text.moreChips(name)} onClick=${() => setAll(true)}>…</button>`}
    </div>
  </div>`;
}

/** @param {{ keys: string[] }} props */
function KeyChoice({ keys }) {
  const { prompt } = fields.value;
  const chips = keys.map((key) => `in ${key}`);
  return html`<label class="key-choice">
    <span class="small soft">${text.keys}</span>
    <select
      value=${chips.find((chip) => has(prompt, chip)) ?? ''}
      onChange=${(/** @type {{ currentTarget: HTMLSelectElement }} */ event) =>
        change({ prompt: toggled(prompt, event.currentTarget.value, chips) })}
    >
      <option value="">${text.anyKey}</option>
      ${keys.map((key) => html`<option key=${key} value=${`in ${key}`}>${key}</option>`)}
    </select>
  </label>`;
}

export function Chips() {
  const vocabulary = modelNamed(fields.value.model)?.vocabulary;
  if (!vocabulary) return null;
  return html`<div class="chips">
    <p class="small soft">${vocabulary.summary}</p>
    ${GROUPS.map(([field, name]) => vocabulary[field].length > 0 && html`<${Group} key=${field} name=${name} chips=${vocabulary[field]} />`)}
    <div class="line">
      ${vocabulary.keys.length > 0 && html`<${KeyChoice} keys=${vocabulary.keys} />`}
      <button type="button" onClick=${() => change({ prompt: surprise(vocabulary, Math.random) })}>${text.surprise}</button>
    </div>
  </div>`;
}
