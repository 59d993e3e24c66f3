// Melodies that the next piece is to follow.

import { signal } from '@preact/signals';

import { keptForAllTabs } from '../lib/kept.js';
import { nameOf } from '../lib/naming.js';
import { words } from '../words.js';
import { ask, onOtherKey } from './session.js';

const MAKE = '#/make';

const SOURCES = 200;

/** A recording, or what is of an earlier piece of this account: `task`, where it is all of that.
 *
 * @typedef {{ blob: Blob, name: string, ofPiece?: boolean, task?: string }} Melody
 */
/** @typedef {import('musicgen-api').Task} Task */
/** @typedef {import('musicgen-api').TaskState} TaskState */

export const melody = signal(/** @type {Melody | null} */ (null));

/** Which piece's audio another one followed, by their ids: the server knows of recordings alone. */
const sources = keptForAllTabs('melodies', /** @type {[string, string][]} */ ([]));
/** The recordings that went along, while this page is open. @type {Map<string, Blob>} */
const recordings = new Map();

/** Takes an earlier piece as the melody of the next one. @param {TaskState} piece */
export async function useAsMelody(piece) {
  const blob = await ask(async (client) => (await client.task(piece.task_id).wait()).blob());
  melody.value = { blob, name: nameOf(piece, words.pieces.untitled), ofPiece: true, task: piece.task_id };
  showForm()?.focus();
}

/** The form that the melody is part of, where it is open; else it is opened. */
export function showForm() {
  const prompt = document.getElementById('prompt');
  if (!prompt) location.hash = MAKE;
  return prompt;
}

/** Keeps in mind what these followed. @param {Task[]} tasks @param {Melody} followed */
export function noteMelody(tasks, { blob, task }) {
  for (const { id } of tasks) {
    if (task) sources.value = [/** @type {[string, string]} */ ([id, task]), ...sources.peek()].slice(0, SOURCES);
    else recordings.set(id, blob);
  }
}

/** The piece whose audio that one followed; '' if it was a recording, or another browser made it. @param {string} id */
export function melodySource(id) {
  return sources.value.find(([piece]) => piece === id)?.[1] ?? '';
}

/** What that piece followed; null once nobody has it any more. Raises what the client raises. @param {TaskState} piece */
export async function melodyOf({ task_id: id }) {
  const task = melodySource(id);
  const blob = task ? await ask(async (client) => (await client.task(task).wait()).blob()) : recordings.get(id);
  return blob ? { blob, name: '', ...(task ? { task } : {}) } : null;
}

onOtherKey(() => {
  if (melody.peek()?.ofPiece) melody.value = null;
  sources.value = [];
  recordings.clear();
});
