// Action: a button that asks once before it does something.

import { html } from 'htm/preact';
import { useEffect, useRef, useState } from 'preact/hooks';

import { words } from '../../admin_words.js';

/** @param {{ label: string, question: string, about: string, run: () => Promise<unknown>, children?: unknown }} props */
export function Action({ label, question, about, run, children }) {
  const [state, setState] = useState(/** @type {'idle' | 'asked' | 'busy'} */ ('idle'));
  const yes = useRef(/** @type {HTMLButtonElement | null} */ (null));
  const first = useRef(/** @type {HTMLButtonElement | null} */ (null));
  useEffect(() => {
    if (state === 'asked') yes.current?.focus();
  }, [state]);
  const leave = () => {
    setState('idle');
    setTimeout(() => first.current?.focus());
  };
  const go = async () => {
    setState('busy');
    await run();
    setState('idle');
  };
  /** @param {KeyboardEvent} event */
  const key = (event) => event.key === 'Escape' && leave();
  if (state !== 'asked') {
    return html`<button type="button" class="dense" ref=${first} disabled=${state === 'busy'} aria-label="${label} ${about}"
      onClick=${() => setState('asked')}>${label}</button>`;
  }
  return html`<span class="ask" role="group" aria-label=${question} onKeyDown=${key}>
    <span>${question}</span>${children}
    <button type="button" class="dense bad" ref=${yes} onClick=${go} aria-label="${words.really}, ${label} ${about}">${words.really}</button>
    <button type="button" class="dense" onClick=${leave}>${words.keep}</button>
  </span>`;
}
