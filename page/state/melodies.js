// Melodies that the next piece is to follow.

import { signal } from '@preact/signals';

import { ask } from './session.js';

/** A recording, or the audio of an earlier piece. @typedef {{ blob: Blob, name: string }} Melody */
/** @typedef {import('musicgen-api').TaskState} TaskState */

export const melody = signal(/** @type {Melody | null} */ (null));

/** Takes an earlier piece as the melody of the next one. @param {TaskState} piece */
export async function useAsMelody(piece) {
  const clip = await ask((client) => client.task(piece.task_id).wait());
  melody.value = { blob: await clip.blob(), name: piece.prompt };
  document.getElementById('prompt')?.focus();
}
