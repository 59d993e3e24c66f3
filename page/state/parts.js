// The tasks of the instruments of a piece: what each was asked for.

import { APIError } from 'musicgen-api';

import { words } from '../words.js';
import { ask } from './session.js';

/** @typedef {import('musicgen-api').TaskState} TaskState */

/** In the order of the piece; none of one that is for no several instruments. Raises a sentence where one is gone, or
 * followed a recording, which the server gives back to nobody, and what the client raises.
 *
 * @param {TaskState} piece
 * @returns {Promise<TaskState[]>}
 */
export async function partsOf({ parts = [] }) {
  const asked = parts.map(({ task_id: id }) => ask((client) => client.task(id).poll()));
  const found = await Promise.all(asked).catch((error) => {
    throw error instanceof APIError && error.status === 404 ? new Error(words.pieces.partGone) : error;
  });
  const recorded = found.findIndex((part) => part.melody_seconds || part.beginning_seconds);
  if (recorded >= 0) throw new Error(words.pieces.partRecorded(parts[recorded].name));
  return found;
}
