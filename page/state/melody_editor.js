// The melody before it is sent: recorded, chosen or taken from an earlier piece; then seen, cut and listened to.

import { effect, signal } from '@preact/signals';

import { LiveSound } from '../lib/live_sound.js';
import { cut, decoded, isReadable, lengthOf, wavOf } from '../lib/recording.js';
import { NoMicrophone, Recorder } from '../lib/recorder.js';
import { hush } from '../lib/speakers.js';
import { words } from '../words.js';
import { melody } from './melodies.js';

/** @typedef {{ buffer: AudioBuffer, name: string, fromS: number, toS: number }} Draft */

export const LONGEST_S = 30;
const COUNT_IN = 3;
const BEAT_MS = 600;
const SILENT = 0.15; // of the meter, below which nothing was sung: without gain control many microphones hear little
const LARGEST_BYTES = 25 * 2 ** 20;
const LONGEST_FILE_S = 600;
const SHORTEST_S = 0.5;
const ANEW_MS = 100; // without a sentence, so that the same one is noticed again

/** 'idle', 'asking', 'count' (in) or 'recording'. */
export const phase = signal('idle');
export const beat = signal(0);
export const level = signal(0);
export const recordedS = signal(0);
export const fault = signal('');
/** What is worth knowing of the melody, and is no fault. */
export const remark = signal('');
export const draft = signal(/** @type {Draft | null} */ (null));
export const sound = new LiveSound();

let recorder = new Recorder();
let run = 0; // a recording that was cancelled notices that it is over
let loudest = 0;
/** @type {Blob | null} the one that the draft stands for */
let shown = null;

const pause = (/** @type {number} */ ms) => new Promise((resume) => setTimeout(resume, ms));

/** Counts in and records, until it is stopped or has lasted its longest. */
export async function record() {
  const own = (run += 1);
  const opened = recorder;
  fault.value = remark.value = '';
  phase.value = 'asking';
  hush();
  try {
    await opened.open(() => own === run && lost());
    if (own !== run) return opened.close();
    phase.value = 'count';
    for (beat.value = COUNT_IN; beat.value > 0; beat.value -= 1) {
      await pause(BEAT_MS);
      if (own !== run) return;
    }
    recorder.start();
    phase.value = 'recording';
    loudest = 0;
    await meter(own, performance.now());
  } catch (error) {
    if (own === run) fail(error);
  }
}

/** @param {number} own @param {number} since */
async function meter(own, since) {
  while (own === run && phase.peek() === 'recording') {
    level.value = recorder.level();
    loudest = Math.max(loudest, level.peek());
    recordedS.value = Math.min(LONGEST_S, (performance.now() - since) / 1000);
    if (recordedS.peek() >= LONGEST_S) await stop();
    await pause(50);
  }
}

export async function stop() {
  if (phase.peek() !== 'recording') return;
  phase.value = 'idle';
  try {
    const blob = await recorder.stop();
    if (loudest < SILENT) fault.value = words.melody.silent;
    else await take(blob, words.melody.recorded);
  } catch (error) {
    fail(error);
  }
}

/** The microphone is gone: what it heard before is as good as what somebody ended. */
async function lost() {
  if (phase.peek() === 'count') fail(new NoMicrophone('lost'));
  if (phase.peek() !== 'recording') return;
  await stop();
  if (!fault.peek()) remark.value = words.melody.unplugged;
}

export function cancel() {
  run += 1;
  recorder.close();
  recorder = new Recorder();
  phase.value = 'idle';
}

/** @param {unknown} error */
function fail(error) {
  cancel();
  fault.value = words.melody.noMicrophone[error instanceof NoMicrophone ? error.why : 'failed'];
}

/** Takes a file or a recording as the melody. @param {Blob} blob @param {string} name */
export async function take(blob, name) {
  fault.value = remark.value = '';
  const refusal = await refusalOf(blob);
  if (refusal) {
    await pause(ANEW_MS);
    fault.value = refusal;
    return;
  }
  melody.value = { blob, name };
}

/** @param {Blob} blob */
async function refusalOf(blob) {
  if (blob.size > LARGEST_BYTES) return words.melody.tooLarge;
  if (!(await isReadable(blob))) return words.melody.unreadable;
  const seconds = await lengthOf(blob);
  return seconds !== null && seconds > LONGEST_FILE_S ? words.melody.tooLong(Math.round(seconds / 60)) : '';
}

export function remove() {
  melody.value = null;
}

/** Takes what lies between two moments, of which the second moves: it stops where the melody is longest, or shortest.
 *
 * @param {number} fixedS @param {number} movedS
 */
export function trim(fixedS, movedS) {
  const before = draft.peek();
  if (!before) return;
  const wanted = Math.abs(movedS - fixedS);
  const length = Math.min(LONGEST_S, Math.max(SHORTEST_S, wanted));
  const from = movedS < fixedS ? fixedS - length : fixedS;
  const fromS = Math.max(0, Math.min(from, before.buffer.duration - length));
  draft.value = { ...before, fromS, toS: Math.min(before.buffer.duration, fromS + length) };
  remark.value = wanted > LONGEST_S ? words.melody.longest : '';
  sound.pause();
}

/** What was cut is what will be sent. */
export function settle() {
  const now = draft.peek();
  if (!now) return;
  const { buffer, name, fromS, toS } = now;
  const blob = wavOf(cut(buffer, fromS, toS), buffer.sampleRate);
  shown = blob;
  melody.value = { ...melody.peek(), blob, name, task: undefined };
}

export function listen() {
  const now = draft.peek();
  if (!now) return;
  if (sound.playing.peek()) return sound.pause();
  const mono = cut(now.buffer, now.fromS, now.toS);
  const part = new AudioBuffer({ length: mono.length, numberOfChannels: 1, sampleRate: now.buffer.sampleRate });
  part.copyToChannel(mono, 0);
  sound.reset();
  sound.fill(part);
  sound.seek(0);
  sound.play();
}

effect(() => {
  const given = melody.value;
  if (given?.blob === shown) return;
  shown = given?.blob ?? null;
  draft.value = null;
  sound.pause();
  fault.value = remark.value = '';
  if (given && phase.peek() !== 'idle') cancel(); // an earlier piece, chosen while it recorded
  if (given) show(given);
});

/** @param {import('./melodies.js').Melody} given */
async function show({ blob, name }) {
  const buffer = await decoded(blob);
  if (!buffer || shown !== blob) return; // what this browser cannot read is sent as it is, and the server says what it is
  draft.value = { buffer, name, fromS: 0, toS: Math.min(buffer.duration, LONGEST_S) };
  if (buffer.duration <= LONGEST_S) return;
  remark.value = words.melody.firstPart;
  settle();
}
