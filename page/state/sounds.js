// The sound of each piece that is shown: one element for each, made when it is first asked for.

import { ElementSound } from '../lib/element_sound.js';
import { onChange } from './pieces.js';
import { ask, onOtherKey } from './session.js';

/** @type {Map<string, ElementSound>} */
const sounds = new Map();

/** @param {string} id */
export function soundOf(id) {
  const known = sounds.get(id) ?? new ElementSound(() => ask(async (by) => (await by.task(id).wait()).blob()));
  sounds.set(id, known);
  return known;
}

/** @param {string} id */
function forget(id) {
  sounds.get(id)?.end();
  sounds.delete(id);
}

onChange((id, state) => {
  if (!state) forget(id);
});
onOtherKey(() => [...sounds.keys()].forEach(forget));
