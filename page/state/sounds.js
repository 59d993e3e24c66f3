// The sound of each piece that is shown: one element for each, made when it is first asked for.

import { ElementSound } from '../lib/element_sound.js';
import { client } from './session.js';

/** @type {Map<string, ElementSound>} */
const sounds = new Map();

/** @param {string} id */
export function soundOf(id) {
  const known = sounds.get(id) ?? new ElementSound(() => client.value.task(id).wait());
  sounds.set(id, known);
  return known;
}
