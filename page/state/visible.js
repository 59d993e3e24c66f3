// Whether anybody sees the page: what is only shown is not asked for meanwhile.

import { effect, signal, untracked } from '@preact/signals';

import { untilOnline } from '../lib/retrying.js';
import { wakes } from '../lib/waking.js';
import { apiKey } from './session.js';

const AGAIN_MS = 1000;

export const visible = signal(document.visibilityState !== 'hidden');
document.addEventListener('visibilitychange', () => {
  visible.value = document.visibilityState !== 'hidden';
});

/** Runs at once, and then again and again while the page is seen, at once again with another key and after a sleep; returns
 * what ends it.
 *
 * @param {() => Promise<boolean | void>} run false: it failed, and is run again soon
 * @param {number} everyMs
 * @param {import('@preact/signals').Signal<string>} [key] by which it is asked for
 */
export function whileVisible(run, everyMs, key = apiKey) {
  return effect(() => {
    void key.value;
    void wakes.value;
    if (!visible.value) return undefined;
    const stop = new AbortController();
    const loop = async () => {
      while (!stop.signal.aborted) {
        const went = await run();
        await untilOnline(went === false ? Math.min(everyMs, AGAIN_MS) : everyMs, stop.signal).catch(() => {});
      }
    };
    untracked(loop);
    return () => stop.abort();
  });
}
