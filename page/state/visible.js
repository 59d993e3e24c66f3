// Whether anybody sees the page: what is only shown is not asked for meanwhile.

import { effect, signal, untracked } from '@preact/signals';

import { untilOnline } from '../lib/retrying.js';
import { apiKey } from './session.js';

export const visible = signal(document.visibilityState !== 'hidden');
document.addEventListener('visibilitychange', () => {
  visible.value = document.visibilityState !== 'hidden';
});

/** Runs at once, and then again and again while the page is seen, at once again with another key; returns what ends it.
 *
 * @param {() => Promise<void>} run
 * @param {number} everyMs
 */
export function whileVisible(run, everyMs) {
  return effect(() => {
    if (apiKey.value === null || !visible.value) return undefined;
    const stop = new AbortController();
    const loop = async () => {
      while (!stop.signal.aborted) {
        await run();
        await untilOnline(everyMs, stop.signal).catch(() => {});
      }
    };
    untracked(loop);
    return () => stop.abort();
  });
}
