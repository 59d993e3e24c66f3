// A part of a sound that is played again and again, whatever plays it.

import { effect, untracked } from '@preact/signals';

/** @typedef {import('@preact/signals').Signal<boolean>} Switch */
/** Seconds; an end of Infinity is the sound's own. @typedef {{ fromS: number, toS: number }} Region */
/** What can be looped.
 *
 * @typedef {object} Loopable
 * @property {import('@preact/signals').Signal<Region | null>} loop
 * @property {Switch} playing
 * @property {import('@preact/signals').Signal<number>} moves
 * @property {number} positionS
 * @property {(seconds: number) => unknown} seek
 */

const SHORTEST_S = 0.2;
const LEAST_WAIT_MS = 10;

/** Takes a sound back whenever it plays beyond its loop; what it does at its own end is its own. Returns what ends it.
 *
 * @param {Loopable} sound
 */
export function keepWithin(sound) {
  return effect(() => {
    const region = sound.loop.value;
    void sound.moves.value;
    if (!region || !Number.isFinite(region.toS) || !sound.playing.value) return undefined;
    let timer = 0;
    const wait = () => {
      const leftS = region.toS - sound.positionS;
      if (leftS <= 0) sound.seek(region.fromS);
      else timer = setTimeout(wait, Math.max(LEAST_WAIT_MS, 1000 * leftS));
    };
    untracked(wait);
    return () => clearTimeout(timer);
  });
}

/** @param {Loopable} sound */
export function toggleLoop(sound) {
  sound.loop.value = sound.loop.peek() ? null : { fromS: 0, toS: Infinity };
}

/** Loops the part between two times, in either order. @param {Loopable} sound @param {number} oneS @param {number} otherS */
export function loopBetween(sound, oneS, otherS) {
  const [fromS, toS] = oneS < otherS ? [oneS, otherS] : [otherS, oneS];
  if (toS - fromS >= SHORTEST_S) sound.loop.value = { fromS: Math.max(0, fromS), toS };
}

/** The loop begins where one listens. @param {Loopable} sound */
export function loopFromHere(sound) {
  const fromS = sound.positionS;
  const toS = sound.loop.peek()?.toS ?? Infinity;
  sound.loop.value = { fromS, toS: toS - fromS >= SHORTEST_S ? toS : Infinity };
}

/** The loop ends where one listens. @param {Loopable} sound */
export function loopToHere(sound) {
  const toS = Math.max(sound.positionS, SHORTEST_S);
  const fromS = sound.loop.peek()?.fromS ?? 0;
  sound.loop.value = { fromS: toS - fromS >= SHORTEST_S ? fromS : 0, toS };
}
