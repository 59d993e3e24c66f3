// MoreFields: what only some want to decide, each with a sentence.

import { html } from 'htm/preact';
import { useEffect, useRef } from 'preact/hooks';

import { change, faults, fields } from '../../state/form.js';
import { catalog, modelNamed } from '../../state/service.js';
import { chosen } from '../../state/takes.js';
import { about } from '../../lib/time.js';
import { words } from '../../words.js';
import { ChoiceField, NumberField } from './field.js';

/** @typedef {import('musicgen-api').CatalogModel} CatalogModel */

const text = words.form;
const INSIDE = ['model', 'seed', 'temperature', 'guidance_scale', 'top_k', 'top_p', 'output_format', 'loudness'];

const FORMATS = ['wav', 'mp3', 'flac', 'ogg', 'opus', 'm4a', 'aac'];

function draw() {
  change({ seed: String(crypto.getRandomValues(new Uint32Array(1))[0]) });
}

/** Keeps the seed of what was made last, or lets each piece have its own again. */
function lock() {
  const { seed } = fields.value;
  if (seed !== '') change({ seed: '' });
  else if (chosen.value) change({ seed: String(chosen.value.state.value.seed) });
  else draw();
}

/** Whether a request for it is taken. @param {CatalogModel} model */
const isServed = (model) => model.workers > 0 || model.promised;

/** What one may want to know before choosing it. @param {CatalogModel | null} model */
function factsOf(model) {
  if (!model) return '';
  const { workers, queued, eta_s: etaS, licence, melody } = model;
  const soon = workers === 0 ? [text.startWorker(model.name)] : etaS === null ? [] : [text.takesNow(about(etaS))];
  const facts = [words.load(workers, queued), ...soon, melody ? text.followsMelody : text.noMelody];
  return [...facts, ...(licence ? [text.licence(licence)] : [])].join(' · ');
}

/** All models that the server knows, those that are made now first. What is promised waits for its worker. */
function modelOptions() {
  const known = catalog.value?.models ?? [];
  const [served, idle] = [true, false].map((wanted) => known.filter((model) => isServed(model) === wanted));
  const label = (/** @type {CatalogModel} */ { name, workers }) => (workers ? name : text.noWorkerFor(name));
  return [
    ...served.map((model) => ({ value: model.name, label: label(model) })),
    ...idle.map((model) => ({ value: model.name, label: label(model), disabled: true })),
  ];
}

/** Says once what starts those that cannot be chosen. */
function WithoutWorker() {
  const idle = catalog.value?.models.filter((model) => !isServed(model)) ?? [];
  return idle.length ? html`<p class="small soft">${text.startAny}</p>` : null;
}

function Seed() {
  return html`<${NumberField} name="seed" label=${text.seed} hint=${text.seedHint} min=${0} step=${1}>
    <button type="button" class="quiet" onClick=${draw}>${text.dice}</button>
    <button type="button" class="quiet" aria-pressed=${fields.value.seed === '' ? 'false' : 'true'} onClick=${lock}>${text.lock}</button>
  </${NumberField}>`;
}

export function MoreFields() {
  const frame = useRef(/** @type {HTMLDetailsElement | null} */ (null));
  const wrong = INSIDE.some((name) => faults.value[name]);
  useEffect(() => {
    if (wrong && frame.current) frame.current.open = true; // a fault is not hidden
  }, [wrong]);
  const usual = { value: '', label: text.usual };
  const formats = [usual, ...FORMATS.map((name) => ({ value: name, label: name }))];
  return html`<details class="more" ref=${frame}>
    <summary>${text.more}</summary>
    <div class="grid">
      <${ChoiceField} name="model" label=${text.model} hint=${factsOf(modelNamed(fields.value.model))} options=${[usual, ...modelOptions()]}>
        <${WithoutWorker} />
      </${ChoiceField}>
      <${Seed} />
      <${NumberField} name="temperature" label=${text.temperature} hint=${text.temperatureHint} min=${0} max=${2} />
      <${NumberField} name="guidance_scale" label=${text.guidance_scale} hint=${text.guidance_scaleHint} min=${0} max=${20} />
      <${NumberField} name="top_k" label=${text.top_k} hint=${text.top_kHint} min=${0} step=${1} />
      <${NumberField} name="top_p" label=${text.top_p} hint=${text.top_pHint} min=${0} max=${1} />
      <${ChoiceField} name="output_format" label=${text.output_format} hint=${text.formatHint} options=${formats} />
      <${NumberField} name="loudness" label=${text.loudness} hint=${text.loudnessHint} min=${-40} max=${-6} />
    </div>
  </details>`;
}
