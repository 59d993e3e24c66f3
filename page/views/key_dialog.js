// KeyDialog: asks for the key that the server wants, and says what is wrong with the one there is.

import { html } from 'htm/preact';
import { useEffect, useRef } from 'preact/hooks';

import { isTyping } from '../lib/typing.js';
import { keyFault, useKey } from '../state/session.js';
import { words } from '../words.js';

export function KeyDialog() {
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  useEffect(() => {
    if (!isTyping(document.activeElement)) input.current?.focus(); // else letters would fall into it
  }, []);
  /** @param {SubmitEvent} event */
  const submit = (event) => {
    event.preventDefault();
    if (input.current?.value.trim()) useKey(input.current.value);
  };
  const fault = keyFault.value === 'refused' ? words.key.refused : words.key.missing;
  return html`<section class="key panel" aria-labelledby="key-title">
    <h2 id="key-title">${words.key.title}</h2>
    <p class=${keyFault.value === 'refused' ? 'fault' : ''} id="key-fault" role="alert">${fault}</p>
    <form onSubmit=${submit}>
      <label for="key-input">${words.key.label}</label>
      <input id="key-input" ref=${input} type="password" autocomplete="current-password" aria-describedby="key-fault key-hint" />
      <button type="submit" class="main">${words.key.use}</button>
    </form>
    <p class="small soft" id="key-hint">${words.key.hint}</p>
  </section>`;
}
