// What is sought among the pieces: by words of title and prompt, or favourites alone.

import { computed, effect, signal } from '@preact/signals';

import { loadMore, more, onChange, pieces } from './pieces.js';
import { apiKey, ask } from './session.js';

/** @typedef {import('musicgen-api').TaskState} TaskState */

const PAGE = 20;
const PAUSE_MS = 250; // somebody who types asks once

export const query = signal('');
export const favouritesOnly = signal(false);
export const searching = computed(() => query.value.trim() !== '' || favouritesOnly.value);

const found = signal(/** @type {TaskState[]} */ ([]));
const total = signal(0);
/** Whether what is shown is what was asked for last. */
export const settled = signal(true);

/** The pieces that are shown. */
export const shown = computed(() => (searching.value ? found.value : pieces.value));
export const moreShown = computed(() => (searching.value ? found.value.length < total.value : more.value));

let asked = 0;

/** Shows older ones, of what is sought or of all. */
export async function showMore() {
  await (searching.peek() ? find(found.peek().length) : loadMore());
}

/** @param {number} offset */
async function find(offset) {
  const number = ++asked;
  const sought = { q: query.peek().trim(), favourite: favouritesOnly.peek() };
  const page = await ask((client) => client.recent({ limit: PAGE, offset, ...sought }));
  if (number !== asked) return; // another search has begun
  const states = /** @type {TaskState[]} */ (page.tasks.map((task) => task.state));
  const ended = states.filter((state) => state.status !== 'processing');
  found.value = offset ? [...found.peek(), ...ended] : ended;
  total.value = page.total - (states.length - ended.length);
  settled.value = true;
}

/** Searches a moment after each change, also of the key. */
export function watchSearch() {
  let timer = 0;
  let searcher = apiKey.peek();
  return effect(() => {
    clearTimeout(timer);
    void query.value;
    void favouritesOnly.value;
    asked += 1;
    if (apiKey.value !== searcher) found.value = [];
    searcher = apiKey.value;
    settled.value = !searching.value;
    if (searching.value) timer = setTimeout(() => find(0).catch(() => {}), PAUSE_MS);
  });
}

onChange((id, state) => {
  const kept = found.peek().filter((piece) => state || piece.task_id !== id);
  found.value = kept.map((piece) => (state && piece.task_id === id ? state : piece));
});
