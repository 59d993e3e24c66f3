// Melodies that the next piece is to follow.

import { signal } from '@preact/signals';

import { nameOf } from '../lib/naming.js';
import { words } from '../words.js';
import { ask, onOtherKey } from './session.js';

const MAKE = '#/make';

/** A recording, or the audio of an earlier piece of this account. @typedef {{ blob: Blob, name: string, ofPiece?: boolean }} Melody */
/** @typedef {import('musicgen-api').TaskState} TaskState */

export const melody = signal(/** @type {Melody | null} */ (null));

/** Takes an earlier piece as the melody of the next one. @param {TaskState} piece */
export async function useAsMelody(piece) {
  const blob = await ask(async (client) => (await client.task(piece.task_id).wait()).blob());
  melody.value = { blob, name: nameOf(piece, words.pieces.untitled), ofPiece: true };
  const prompt = document.getElementById('prompt');
  if (prompt) prompt.focus();
  else location.hash = MAKE; // another view is open
}

onOtherKey(() => {
  if (melody.peek()?.ofPiece) melody.value = null;
});
