// A piece made once more: more like it, under other seeds, or the very same. Of a mix its instruments anew, mixed as it is.

import { again, againForSeveral, same, sameForSeveral, sameMix } from '../lib/again.js';
import { words } from '../words.js';
import { send } from './form.js';
import { melodyOf } from './melodies.js';
import { partsOf } from './parts.js';
import { ask } from './session.js';
import { show } from './takes.js';

/** @typedef {import('musicgen-api').TaskState} TaskState */

/** Raises a sentence where what it was made from is gone, and what the client raises. @param {TaskState} piece */
export async function moreLike(piece) {
  if (piece.parts) await sendForSeveral(againForSeveral(piece, await partsOf(piece)));
  else await send(again(piece), 1, await followedBy(piece));
}

/** Under the same seed. Raises as `moreLike`. @param {TaskState} piece */
export async function onceMore(piece) {
  if (piece.mix_of) show(await ask((client) => client.task(piece.task_id).remix(sameMix(piece))));
  else if (piece.parts) await sendForSeveral(sameForSeveral(piece, await partsOf(piece)));
  else await send(same(piece), 1, await followedBy(piece));
}

/** @param {import('musicgen-api').MultiInstrumentRequest} request */
async function sendForSeveral(request) {
  show(await ask((client) => client.submitMultiInstrument(request)));
}

/** @param {TaskState} piece */
async function followedBy(piece) {
  const followed = piece.melody_seconds ? await melodyOf(piece) : null;
  if (piece.beginning_seconds || (piece.melody_seconds && !followed)) throw new Error(words.pieces.recordingGone);
  return followed;
}
