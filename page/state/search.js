// What is sought among the pieces: by words of title and prompt, or favourites alone.

import { computed, effect, signal, untracked } from '@preact/signals';

import { loadMore, more, onChange, pieces } from './pieces.js';
import { apiKey, ask } from './session.js';

/** @typedef {import('musicgen-api').TaskState} TaskState */

const PAGE = 20;
const LONGEST_PAGE = 100; // that the server gives
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

/** Reads a page of what is sought; null once another one is asked for. @param {number} offset @param {number} limit */
async function read(offset, limit) {
  const number = ++asked;
  const sought = { q: query.peek().trim(), favourite: favouritesOnly.peek() };
  const page = await ask((client) => client.recent({ limit, offset, ...sought }));
  if (number !== asked) return null;
  const states = /** @type {TaskState[]} */ (page.tasks.map((task) => task.state));
  const ended = states.filter((state) => state.status !== 'processing');
  total.value = page.total - (states.length - ended.length);
  settled.value = true;
  return ended;
}

/** @param {number} offset */
async function find(offset) {
  const page = await read(offset, PAGE);
  if (page) found.value = offset ? joined(found.peek(), page) : page;
}

/** What was made, changed or deleted meanwhile may fit, or fit no more: the server knows. */
async function findAgain() {
  const limit = Math.min(LONGEST_PAGE, Math.max(PAGE, found.peek().length));
  const page = await read(0, limit);
  if (page) found.value = joined(page, found.peek().slice(limit));
}

/** @param {TaskState[]} first @param {TaskState[]} then */
function joined(first, then) {
  const ids = new Set(first.map((piece) => piece.task_id));
  return [...first, ...then.filter((piece) => !ids.has(piece.task_id))];
}

/** Searches a moment after each change of what is sought, also of the key, and at each change of the pieces. */
export function watchSearch() {
  const ends = [watchSought(), watchPieces()];
  return () => ends.forEach((end) => end());
}

function watchPieces() {
  return effect(() => {
    void pieces.value;
    if (searching.peek() && settled.peek()) untracked(() => findAgain().catch(() => {}));
  });
}

function watchSought() {
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
