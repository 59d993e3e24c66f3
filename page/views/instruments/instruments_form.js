// InstrumentsForm: a piece for several instruments: its parts, and what they have in common.

import { html } from 'htm/preact';

import { focusFault } from '../../lib/focus_fault.js';
import { KEYS, MOST_PARTS, addPart, change, changePart, faults, fields, make, removePart, sending } from '../../state/instruments.js';
import { modelNamed } from '../../state/service.js';
import { words } from '../../words.js';

/** @typedef {{ currentTarget: HTMLInputElement }} Typed */

const SECONDS = [2, 4, 6, 8, 10, 12, 15, 20, 25, 30, 45, 60, 90, 120, 180, 240];

/** What ties a control to its fault. @param {string} name */
const tied = (name) => ({ 'aria-invalid': faults.value[name] ? 'true' : undefined, 'aria-describedby': `piece-${name}-fault` });

/** @param {{ name: string }} props */
function Fault({ name }) {
  return html`<p class="fault" id="piece-${name}-fault" role="alert">${faults.value[name] ?? ''}</p>`;
}

/** @param {{ index: number }} props */
function PartRow({ index }) {
  const { name, prompt } = fields.value.parts[index];
  const text = words.instruments;
  return html`<li class="part">
    <div class="beside">
      <input
        type="text"
        class="part-name"
        maxlength="64"
        value=${name}
        aria-label=${text.nameOf(index + 1)}
        placeholder=${text.name}
        ...${tied(`part.${index}.name`)}
        onInput=${(/** @type {Typed} */ event) => changePart(index, { name: event.currentTarget.value })}
      />
      <button type="button" class="quiet" aria-label=${text.removeOf(name || index + 1)} onClick=${() => removePart(index)}>${text.remove}</button>
    </div>
    <${Fault} name=${`part.${index}.name`} />
    <input
      type="text"
      value=${prompt}
      aria-label=${text.promptOf(name || index + 1)}
      placeholder=${text.prompt}
      ...${tied(`part.${index}.prompt`)}
      onInput=${(/** @type {Typed} */ event) => changePart(index, { prompt: event.currentTarget.value })}
    />
    <${Fault} name=${`part.${index}.prompt`} />
  </li>`;
}

function Common() {
  const { duration, mix_preset: preset, tempo_bpm: tempo, key } = fields.value;
  const text = words.instruments;
  const most = modelNamed('')?.max_duration ?? SECONDS[SECONDS.length - 1];
  return html`<div class="grid">
    <div class="field">
      <label for="piece-length">${words.form.length}</label>
      <select id="piece-length" ...${tied('duration')} value=${duration} onChange=${(/** @type {Typed} */ event) => change({ duration: Number(event.currentTarget.value) })}>
        ${SECONDS.filter((seconds) => seconds <= most).map((seconds) => html`<option key=${seconds} value=${seconds}>${words.seconds(seconds)}</option>`)}
      </select>
      <${Fault} name="duration" />
    </div>
    <div class="field">
      <label for="piece-preset">${text.preset}</label>
      <select id="piece-preset" ...${tied('mix_preset')} value=${preset} onChange=${(/** @type {Typed} */ event) => change({ mix_preset: event.currentTarget.value })}>
        ${Object.entries(text.presets).map(([name, label]) => html`<option key=${name} value=${name}>${label}</option>`)}
      </select>
      <${Fault} name="mix_preset" />
    </div>
    <div class="field">
      <label for="piece-tempo">${text.tempo}</label>
      <input
        id="piece-tempo"
        type="number"
        min="40"
        max="240"
        step="1"
        inputmode="numeric"
        placeholder=${text.drawn}
        value=${tempo}
        ...${tied('tempo_bpm')}
        onInput=${(/** @type {Typed} */ event) => change({ tempo_bpm: event.currentTarget.value })}
      />
      <${Fault} name="tempo_bpm" />
    </div>
    <div class="field">
      <label for="piece-key">${text.key}</label>
      <select id="piece-key" ...${tied('key')} value=${key} onChange=${(/** @type {Typed} */ event) => change({ key: event.currentTarget.value })}>
        <option value="">${text.drawn}</option>
        ${KEYS.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
      </select>
      <${Fault} name="key" />
    </div>
  </div>`;
}

export function InstrumentsForm() {
  const text = words.instruments;
  const { parts } = fields.value;
  const submit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    await make();
    focusFault(form);
  };
  return html`<section class="make" aria-labelledby="piece-title">
    <form onSubmit=${submit} novalidate>
      <h2 id="piece-title">${text.title}</h2>
      <p class="soft small">${text.hint}</p>
      <ul class="parts">
        ${parts.map((_, index) => html`<${PartRow} key=${index} index=${index} />`)}
      </ul>
      ${parts.length < MOST_PARTS && html`<button type="button" onClick=${addPart}>${text.add}</button>`}
      <${Common} />
      <${Fault} name="form" />
      <button type="submit" class="main wide" disabled=${sending.value || !parts.length}>
        ${sending.value ? words.form.sending : text.submit}
      </button>
    </form>
  </section>`;
}
