// What this browser keeps for the page, below one name each. A browser that keeps nothing is no fault.

import { effect, signal } from '@preact/signals';

const PREFIX = 'ostinato.';

/** @param {string} name @returns {unknown} */
function read(name) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name) ?? 'null');
  } catch {
    return null;
  }
}

/** @param {string} name @param {unknown} value */
function write(name, value) {
  try {
    if (value === null || value === undefined) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // private windows, and those whose room is used up
  }
}

/** A signal whose value outlives the page.
 *
 * @template T
 * @param {string} name
 * @param {T} initial
 * @returns {import('@preact/signals').Signal<T>}
 */
export function kept(name, initial) {
  const found = read(name);
  const value = signal(/** @type {T} */ (found === null ? initial : found));
  effect(() => write(name, value.value));
  return value;
}
