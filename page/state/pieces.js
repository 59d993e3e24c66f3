// What was made before: this account's tasks that have ended, page by page, the newest first.

import { signal } from '@preact/signals';

import { kept } from '../lib/kept.js';
import { announceNews } from '../lib/tabs.js';
import { ask, onOtherKey } from './session.js';

/** @typedef {import('musicgen-api').Task} Task */
/** @typedef {import('musicgen-api').TaskState} TaskState */

const PAGE = 20;
const PICTURES = 200;

export const pieces = signal(/** @type {TaskState[]} */ ([]));
/** Whether there are older ones than those that are shown. */
export const more = signal(false);
export const loaded = signal(false);
/** The picture of what was heard here before, by its id. */
export const pictures = kept('pictures', /** @type {[string, number[]][]} */ ([]));

/** Who else shows pieces, and is told when one has changed, or is gone (null). */
const listeners = /** @type {((id: string, state: TaskState | null) => void)[]} */ ([]);

/** @param {(id: string, state: TaskState | null) => void} listener */
export function onChange(listener) {
  listeners.push(listener);
}

let asked = 0; // tasks of the server's list that were read

onOtherKey(() => {
  pieces.value = [];
  more.value = loaded.value = false;
  asked = 0;
});

/** Reads the newest page; returns all its tasks, also those that go on. @returns {Promise<Task[]>} */
export async function refresh() {
  const known = pieces.peek();
  const { tasks, total } = await ask((client) => client.recent({ limit: PAGE }));
  merge(tasks);
  forgetGone(known, tasks, total);
  asked = Math.max(asked, tasks.length);
  more.value = asked < total;
  loaded.value = true;
  return tasks;
}

export async function loadMore() {
  const { tasks, total } = await ask((client) => client.recent({ limit: PAGE, offset: asked }));
  merge(tasks);
  asked += tasks.length;
  more.value = tasks.length > 0 && asked < total;
}

/** @param {TaskState} state */
export function addPiece(state) {
  if (state.status === 'processing' || state.part_of) return;
  const others = pieces.value.filter((piece) => piece.task_id !== state.task_id);
  pieces.value = [state, ...others].sort((one, other) => other.created_at - one.created_at);
}

/** Gives it another title (null: none), or makes it a favourite or none.
 *
 * @param {string} id
 * @param {{ title?: string | null, favourite?: boolean }} changes
 */
export async function editPiece(id, changes) {
  const state = await ask((client) => client.task(id).edit(changes));
  addPiece(state);
  for (const listener of listeners) listener(id, state);
  announceNews();
}

/** @param {string} id */
export async function removePiece(id) {
  await ask((client) => client.task(id).purge());
  for (const listener of listeners) listener(id, null);
  pieces.value = pieces.value.filter((piece) => piece.task_id !== id);
  asked = Math.max(0, asked - 1);
  announceNews();
}

/** @param {string} id @param {number[]} peaks */
export function keepPeaks(id, peaks) {
  const others = pictures.peek().filter(([other]) => other !== id);
  pictures.value = [/** @type {[string, number[]]} */ ([id, peaks]), ...others].slice(0, PICTURES);
}

/** @param {string} id */
export function pictureOf(id) {
  return pictures.value.find(([other]) => other === id)?.[1] ?? null;
}

/** What was known before, and is not on the page of tasks that it belongs to, was removed elsewhere.
 *
 * @param {TaskState[]} known
 * @param {Task[]} tasks
 * @param {number} total
 */
function forgetGone(known, tasks, total) {
  const listed = new Set(tasks.map((task) => task.id));
  const oldest = tasks.length < total ? (tasks.at(-1)?.state?.created_at ?? Infinity) : -Infinity;
  const gone = new Set(known.filter((piece) => piece.created_at > oldest && !listed.has(piece.task_id)));
  for (const { task_id: id } of gone) for (const listener of listeners) listener(id, null);
  if (gone.size) pieces.value = pieces.value.filter((piece) => !gone.has(piece));
}

/** @param {Task[]} tasks */
function merge(tasks) {
  const ended = tasks.map((task) => task.state).filter((state) => state && state.status !== 'processing' && !state.part_of);
  const found = /** @type {TaskState[]} */ (ended);
  const ids = new Set(found.map((state) => state.task_id));
  const others = pieces.value.filter((piece) => !ids.has(piece.task_id));
  pieces.value = [...found, ...others].sort((one, other) => other.created_at - one.created_at);
}
