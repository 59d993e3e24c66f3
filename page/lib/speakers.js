// The one audio output of the page: its volume, and that one thing sounds at a time.

import { effect, signal } from '@preact/signals';

import { kept } from './kept.js';
import { wakes } from './waking.js';

/** @typedef {import('./loop.js').Loopable} Loopable */
/** @typedef {{ pause: () => void, toggle: () => unknown, seek: (seconds: number) => unknown, readonly positionS: number }
 *   & Partial<Loopable>} Sounding */

export const volume = kept('volume', 0.8);

/** @type {{ context: AudioContext, gain: GainNode } | null} */
let output = null;
/** What sounds, or sounded last. */
export const current = signal(/** @type {Sounding | null} */ (null));

/** The output, made at first use. Browsers let it sound once somebody has clicked or typed. */
export function speakers() {
  if (!output) {
    const context = new AudioContext();
    const gain = new GainNode(context, { gain: volume.value });
    gain.connect(context.destination);
    output = { context, gain };
  }
  return output;
}

effect(() => {
  const level = volume.value;
  if (output) output.gain.gain.value = level;
});

/** Called while somebody clicks: what is to sound later may sound then. */
export function unlock() {
  const { context } = speakers();
  if (context.state !== 'running') context.resume().catch(() => {}); // 'suspended', or Safari's 'interrupted'
}

effect(() => {
  if (wakes.value && output) unlock();
});

/** What sounded before falls silent. @param {Sounding} sounding */
export function takeOver(sounding) {
  const before = current.peek();
  if (before !== sounding) before?.pause();
  current.value = sounding;
}

/** What sounds falls silent: a microphone would hear it. */
export function hush() {
  current.peek()?.pause();
}

/** It falls silent, and no key plays it again. @param {Sounding} sounding */
export function letGo(sounding) {
  sounding.pause();
  if (current.peek() === sounding) current.value = null;
}
