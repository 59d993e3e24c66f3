// MoreFields: what only some want to decide, each with a sentence.

import { html } from 'htm/preact';

import { change, fields } from '../../state/form.js';
import { catalog } from '../../state/service.js';
import { words } from '../../words.js';
import { ChoiceField, NumberField } from './field.js';

const FORMATS = ['wav', 'mp3', 'flac', 'ogg', 'opus', 'm4a', 'aac'];

function draw() {
  change({ seed: String(crypto.getRandomValues(new Uint32Array(1))[0]) });
}

export function MoreFields() {
  const text = words.form;
  const listed = (catalog.value?.models ?? []).filter((model) => model.workers > 0 || model.name === fields.value.model);
  const usual = { value: '', label: text.usual };
  const models = [usual, ...listed.map(({ name }) => ({ value: name, label: name }))];
  const formats = [usual, ...FORMATS.map((name) => ({ value: name, label: name }))];
  return html`<details class="more">
    <summary>${text.more}</summary>
    <div class="grid">
      <${ChoiceField} name="model" label=${text.model} hint="" options=${models} />
      <${NumberField} name="seed" label=${text.seed} hint=${text.seedHint} min=${0} step=${1}>
        <button type="button" class="quiet" onClick=${draw}>${text.dice}</button>
      </${NumberField}>
      <${NumberField} name="temperature" label=${text.temperature} hint=${text.temperatureHint} min=${0} max=${2} />
      <${NumberField} name="guidance_scale" label=${text.guidance_scale} hint=${text.guidance_scaleHint} min=${0} max=${20} />
      <${NumberField} name="top_k" label=${text.top_k} hint=${text.top_kHint} min=${0} step=${1} />
      <${NumberField} name="top_p" label=${text.top_p} hint=${text.top_pHint} min=${0} max=${1} />
      <${ChoiceField} name="output_format" label=${text.output_format} hint=${text.formatHint} options=${formats} />
      <${NumberField} name="loudness" label=${text.loudness} hint=${text.loudnessHint} min=${-40} max=${-6} />
    </div>
  </details>`;
}
