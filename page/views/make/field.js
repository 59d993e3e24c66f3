// Field: a control of the form with its name, its hint, and what the server found wrong with it.

import { html } from 'htm/preact';

import { change, faults, fields } from '../../state/form.js';

/** @typedef {import('../../state/form.js').Fields} Fields */

/** @param {{ name: string }} props */
export function Fault({ name }) {
  const fault = faults.value[name];
  return html`<p class="fault" id="${name}-fault" role="alert">${fault ?? ''}</p>`;
}

/** A number that may be left to the server.
 *
 * @param {{ name: keyof Fields, label: string, hint: string, min?: number, max?: number, step?: number | 'any', children?: unknown }} props
 */
export function NumberField({ name, label, hint, min, max, step = 'any', children }) {
  return html`<div class="field">
    <label for=${name}>${label}</label>
    <div class="beside">
      <input
        id=${name}
        type="number"
        inputmode="decimal"
        min=${min}
        max=${max}
        step=${step}
        value=${fields.value[name]}
        aria-invalid=${faults.value[name] ? 'true' : undefined}
        aria-describedby="${name}-hint ${name}-fault"
        onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => change({ [name]: event.currentTarget.value })}
      />
      ${children}
    </div>
    <p class="small soft" id="${name}-hint">${hint}</p>
    <${Fault} name=${name} />
  </div>`;
}

/** One of several words.
 *
 * @param {{ name: keyof Fields, label: string, hint: string, children?: import('preact').ComponentChildren,
 *   options: { value: string, label: string, disabled?: boolean }[] }} props
 */
export function ChoiceField({ name, label, hint, options, children }) {
  return html`<div class="field">
    <label for=${name}>${label}</label>
    <select
      id=${name}
      value=${fields.value[name]}
      aria-describedby="${name}-hint ${name}-fault"
      onChange=${(/** @type {{ currentTarget: HTMLSelectElement }} */ event) => change({ [name]: event.currentTarget.value })}
    >
      ${options.map((option) => html`<option key=${option.value} value=${option.value} disabled=${option.disabled}>${option.label}</option>`)}
    </select>
    <p class="small soft" id="${name}-hint">${hint}</p>
    ${children}
    <${Fault} name=${name} />
  </div>`;
}
