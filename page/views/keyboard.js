// Keyboard: what the keys do wherever nothing is typed, and the list of them behind ?.

import { html } from 'htm/preact';
import { useEffect, useRef } from 'preact/hooks';

import { loopFromHere, loopToHere, toggleLoop } from '../lib/loop.js';
import { current, volume } from '../lib/speakers.js';
import { isSlider, isTyping } from '../lib/typing.js';
import { chosen, choose, siblings } from '../state/takes.js';
import { words } from '../words.js';

const SEEK_S = 2;
const LOUDER = 0.1;

/** What sounds, or the piece that is made now. */
function player() {
  return current.value ?? chosen.value?.sound ?? null;
}

/** What it says of the network and the key is noted where it is asked. @param {unknown} done */
function quietly(done) {
  Promise.resolve(done).catch(() => {});
}

/** @type {Record<string, () => void>} */
const KEYS = {
  ' ': () => quietly(player()?.toggle()),
  ArrowLeft: () => seekBy(-SEEK_S),
  ArrowRight: () => seekBy(SEEK_S),
  '/': () => document.getElementById('search')?.focus(),
  l: () => loopBy(toggleLoop),
  '[': () => loopBy(loopFromHere),
  ']': () => loopBy(loopToHere),
  '+': () => louder(LOUDER),
  '=': () => louder(LOUDER), // where + needs Shift
  '-': () => louder(-LOUDER),
};

/** @param {(sound: import('../lib/loop.js').Loopable) => void} change */
function loopBy(change) {
  const found = player();
  if (found?.loop) change(/** @type {import('../lib/loop.js').Loopable} */ (found));
}

/** @param {number} by */
function louder(by) {
  volume.value = Math.min(1, Math.max(0, volume.value + by));
}

/** @param {number} seconds */
function seekBy(seconds) {
  const found = player();
  quietly(found?.seek(Math.max(0, found.positionS + seconds)));
}

/** @param {number} number */
function chooseTake(number) {
  const take = siblings.value[number - 1];
  if (take) choose(take);
}

export function Keyboard() {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    /** @param {KeyboardEvent} event */
    const press = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || dialog.current?.open) return;
      if (isSlider(event.target) && event.key.startsWith('Arrow')) return;
      const onButton = event.target instanceof Element && event.target.closest('button, a, summary');
      if (event.key === ' ' && onButton) return;
      if (/^[1-8]$/.test(event.key)) chooseTake(Number(event.key));
      else if (event.key === '?') dialog.current?.showModal();
      else if (KEYS[event.key]) KEYS[event.key]();
      else return;
      event.preventDefault();
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, []);
  return html`<footer class="bottom">
      <button type="button" class="quiet small" onClick=${() => dialog.current?.showModal()}>${words.keys.button}</button>
      <a class="small" href="docs/">${words.docs}</a>
    </footer>
    <dialog ref=${dialog} class="panel" aria-labelledby="keys-title">
      <h2 id="keys-title">${words.keys.title}</h2>
      <dl>${words.keys.list.map(([key, does]) => html`<div key=${key}><dt><kbd>${key}</kbd></dt><dd>${does}</dd></div>`)}</dl>
      <button type="button" class="main" onClick=${() => dialog.current?.close()}>${words.keys.close}</button>
    </dialog>`;
}
