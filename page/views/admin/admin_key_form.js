// AdminKeyForm: says why the server lets nobody in, and takes a key.

import { html } from 'htm/preact';
import { useRef } from 'preact/hooks';

import { words } from '../../admin_words.js';
import { refusal, useAdminKey } from '../../state/admin.js';

export function AdminKeyForm() {
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  /** @param {SubmitEvent} event */
  const submit = (event) => {
    event.preventDefault();
    if (input.current?.value.trim()) useAdminKey(input.current.value);
  };
  return html`<section class="key panel" aria-labelledby="key-title">
    <h2 id="key-title">${words.key.title}</h2>
    <p class="fault" id="key-fault" role="alert">${refusal.value}</p>
    <form onSubmit=${submit}>
      <label for="key-input">${words.key.label}</label>
      <input id="key-input" ref=${input} type="password" autocomplete="off" aria-describedby="key-fault key-hint" />
      <button type="submit" class="main">${words.key.use}</button>
    </form>
    <p class="small soft" id="key-hint">${words.key.hint}</p>
  </section>`;
}
