// What this browser keeps for the page, below one name each. A browser that keeps nothing is no fault.

import { effect, signal, untracked } from '@preact/signals';

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

/** A signal, and what takes the value that another tab has kept, without keeping it once more.
 *
 * @template T
 * @param {string} name
 * @param {T} initial
 */
function keeping(name, initial) {
  const find = () => /** @type {T} */ (read(name) ?? initial);
  let last = find();
  const value = signal(last);
  effect(() => {
    if (value.value === last) return;
    last = value.value;
    write(name, last);
  });
  const follow = () => {
    last = find();
    value.value = last;
  };
  return { value, follow };
}

/** A signal whose value outlives the page.
 *
 * @template T
 * @param {string} name
 * @param {T} initial
 * @returns {import('@preact/signals').Signal<T>}
 */
export function kept(name, initial) {
  return keeping(name, initial).value;
}

/** The same for all tabs: what one of them changes, the others have at once.
 *
 * @template T
 * @param {string} name
 * @param {T} initial
 * @returns {import('@preact/signals').Signal<T>}
 */
export function keptForAllTabs(name, initial) {
  const { value, follow } = keeping(name, initial);
  addEventListener('storage', ({ key }) => {
    if (key === null || key === PREFIX + name) follow(); // null: all of it was removed
  });
  addEventListener('pageshow', ({ persisted }) => {
    if (persisted) follow(); // a page that was put aside heard nothing meanwhile
  });
  return value;
}

/** Runs at each change of a signal. @template T @param {import('@preact/signals').Signal<T>} value @param {() => void} run */
export function onChangeOf(value, run) {
  let before = value.peek();
  effect(() => {
    if (value.value === before) return;
    before = value.value;
    untracked(run);
  });
}
