// MakeForm: what somebody wishes for, and the one button.

import { html } from 'htm/preact';

import { focusFault } from '../../lib/focus_fault.js';
import { fields, faults, change, make, sending } from '../../state/form.js';
import { words } from '../../words.js';
import { Fault } from './field.js';
import { MelodyInput } from './melody_input.js';
import { LengthAndTakes } from './length_and_takes.js';
import { MoreFields } from './more_fields.js';
import { Chips } from './chips.js';

/** @param {KeyboardEvent} event */
function onKeyDown(event) {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  const { form } = /** @type {HTMLTextAreaElement} */ (event.currentTarget);
  if (form) submit(form);
}

/** @param {SubmitEvent} event */
function onSubmit(event) {
  event.preventDefault();
  submit(/** @type {HTMLFormElement} */ (event.currentTarget));
}

/** @param {HTMLFormElement} form */
async function submit(form) {
  await make();
  focusFault(form);
}

export function MakeForm() {
  const fault = faults.value.prompt;
  return html`<section class="make" id="make" aria-labelledby="make-title">
    <form onSubmit=${onSubmit} novalidate>
      <h2 id="make-title"><label for="prompt">${words.form.title}</label></h2>
      <textarea
        id="prompt"
        rows="2"
        placeholder=${words.form.placeholder}
        value=${fields.value.prompt}
        aria-invalid=${fault ? 'true' : undefined}
        aria-describedby="prompt-fault"
        onInput=${(/** @type {{ currentTarget: HTMLTextAreaElement }} */ event) => change({ prompt: event.currentTarget.value })}
        onKeyDown=${onKeyDown}
      ></textarea>
      <${Fault} name="prompt" />
      <${Chips} />
      <${MelodyInput} />
      <${LengthAndTakes} />
      <${MoreFields} />
      <${Fault} name="form" />
      <button type="submit" class="main wide" disabled=${sending.value}>
        ${sending.value ? words.form.sending : words.form.submit}
      </button>
    </form>
  </section>`;
}
