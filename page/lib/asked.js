// What was asked for, for the same piece again: its request, and the recordings that go along.

import { sameForSeveral, sameMix, same } from './again.js';

/** @typedef {import('musicgen-api').TaskState} TaskState */
/** A recording that goes along: from a file, or from the kept audio of a task.
 *
 * @typedef {{ field: 'melody' | 'continue_audio', file: string, task: string }} Upload
 */
/** What is asked for: a clip, a piece for several instruments, or a new mix of the stems of the task `of`.
 *
 * @typedef {object} Asked
 * @property {'clip' | 'instruments' | 'mix'} kind
 * @property {Record<string, any>} request
 * @property {Upload[]} uploads
 * @property {string} of
 */

/** What to ask for, for the same piece again.
 *
 * @param {TaskState} piece
 * @param {TaskState[]} parts the tasks of its instruments; none are needed of a mix of another piece
 * @param {string} melodyFrom the task whose audio was its melody; '' if it was a recording
 * @returns {Asked}
 */
export function askedFor(piece, parts, melodyFrom) {
  const whole = { uploads: [], of: piece.task_id };
  if (piece.mix_of) return { ...whole, kind: 'mix', request: sameMix(piece) };
  if (piece.parts) return { ...whole, kind: 'instruments', request: sameForSeveral(piece, parts) };
  /** @type {Upload[]} */
  const uploads = [];
  if (piece.melody_seconds) uploads.push({ field: 'melody', file: 'melody.wav', task: melodyFrom });
  if (piece.beginning_seconds) uploads.push({ field: 'continue_audio', file: 'beginning.wav', task: '' });
  return { ...whole, kind: 'clip', request: same(piece), uploads };
}

/** What the program writes. @param {Asked} asked */
export function fileOf({ request }) {
  return `music.${request.output_format ?? 'wav'}`;
}
