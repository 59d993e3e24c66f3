// What is made now: the takes of the latest submission, and all that was found to be going on.

import { computed, effect, signal, untracked } from '@preact/signals';

import { peaksOf, shortened } from '../lib/peaks.js';
import { unlock } from '../lib/speakers.js';
import { announceNews } from '../lib/tabs.js';
import { wakes } from '../lib/waking.js';
import { addPiece, keepPeaks } from './pieces.js';
import { soundFault } from './faults.js';
import { ask, client, onOtherKey, usedUp } from './session.js';
import { Take } from './take.js';
import { visible } from './visible.js';

/** @typedef {import('musicgen-api').MusicRequest} MusicRequest */
/** @typedef {import('musicgen-api').Task} Task */
/** @typedef {import('musicgen-api').TaskState} TaskState */

const MOST_TAKES = 8; // of one request, that the server makes
const CAN_SOUND = ['processing', 'completed'];

/** The newest first. */
export const takes = signal(/** @type {Take[]} */ ([]));
/** The one that is shown large and heard. */
export const chosenId = signal('');
export const chosen = computed(() => takes.value.find((take) => take.id === chosenId.value) ?? takes.value[0] ?? null);
/** The takes of one request, of which the chosen one is one; a batch of other requests is none. */
export const siblings = computed(() => {
  const { batch_id: batch, prompt } = chosen.value?.state.value ?? {};
  if (!batch) return [];
  const all = takes.value.filter(({ state: { value } }) => value.batch_id === batch && value.prompt === prompt);
  return all.sort((one, other) => one.state.value.seed - other.state.value.seed).slice(0, MOST_TAKES);
});

/** Submits it as so many takes, and hears the first as soon as there is sound. Raises what the client raises.
 *
 * @param {MusicRequest} request
 * @param {number} count
 * @returns {Promise<Task[]>}
 */
export async function submit(request, count) {
  unlock();
  const streams = !request.loudness;
  const { output_format: format = 'wav' } = request;
  const asked = { ...request, stream: streams, ...(streams && format !== 'wav' ? { cache: false } : {}) };
  if (count === 1) {
    const task = await ask((by) => by.submit(asked));
    usedUp.value = '';
    begin([task]);
    return [task];
  }
  const batch = await ask((by) => by.variations(asked, count));
  usedUp.value = '';
  begin(batch.tasks);
  return batch.tasks;
}

/** @param {Task[]} tasks */
function begin(tasks) {
  const made = tasks.map((task) => new Take(task, /** @type {TaskState} */ (task.state)));
  takes.value = [...made, ...takes.value.filter((take) => !take.ended)];
  choose(made[0]);
  made[0].sound.play();
  announceNews();
}

/** Shows it. What sounds of its siblings falls silent, and it is heard instead. @param {Take} take */
export function choose(take) {
  const beside = siblings.peek();
  const sounding = beside.find((other) => other.sound.playing.peek());
  chosenId.value = take.id;
  if (!sounding || sounding === take || !beside.includes(take)) return;
  if (CAN_SOUND.includes(take.state.peek().status)) take.sound.play();
  else sounding.sound.pause();
}

/** Plays and pauses it; what plays is chosen. @param {Take} take */
export function toggle(take) {
  if (take.sound.playing.peek()) return take.sound.pause();
  chosenId.value = take.id;
  take.sound.play();
}

/** Takes up what goes on at the server, of which this page may know nothing. @param {Task[]} tasks */
export function resume(tasks) {
  const known = new Set(takes.value.map((take) => take.id));
  const found = tasks.filter((task) => task.state?.status === 'processing' && !task.state.part_of && !known.has(task.id));
  if (!found.length) return;
  const more = found.map((task) => new Take(client.value.task(task.id), /** @type {TaskState} */ (task.state)));
  takes.value = [...takes.value, ...more];
}

/** Takes up one that was just submitted, and shows it. @param {Task} task */
export function show(task) {
  resume([task]);
  chosenId.value = task.id;
}

onOtherKey(() => {
  takes.value.forEach((take) => take.leave());
  takes.value = [];
});

/** Whether its waveform is to be seen as soon as it is made, beside those of its siblings. @param {Take} take */
function isBeside(take) {
  return take.state.value.status === 'completed' && siblings.value.length > 1 && siblings.value.includes(take);
}

/** @type {WeakSet<Take>} */
const loading = new WeakSet();

/** The sound of a take that was made without being heard. @param {Take} take */
async function loadSound(take) {
  const { id, sound, fault } = take;
  if (loading.has(take)) return;
  loading.add(take);
  fault.value = '';
  try {
    const bytes = await ask(async (by) => (await by.task(id).wait()).bytes());
    const decoder = new OfflineAudioContext(1, 1, take.state.peek().sample_rate ?? sound.sampleRate); // nobody need have clicked for it
    sound.fill(await decoder.decodeAudioData(/** @type {ArrayBuffer} */ (bytes.buffer)));
  } catch (error) {
    sound.pause();
    fault.value = soundFault(error);
  } finally {
    loading.delete(take);
  }
}

/** Follows all of them while they are of interest, each as closely as connections allow. */
export function watchTakes() {
  const ends = [effect(followAll), effect(followAnew)];
  return () => ends.forEach((end) => end());
}

function followAll() {
  for (const take of takes.value) {
    const seen = visible.value || take.sound.playing.value;
    const near = take === chosen.value;
    if (take.ended) untracked(() => settle(take));
    else take.follow(!seen ? 'none' : near ? 'events' : 'polls');
  }
}

function followAnew() {
  if (wakes.value) untracked(() => takes.value.forEach((take) => take.followAnew()));
}

const settled = new WeakSet();

/** @param {Take} take */
function settle(take) {
  if (settled.has(take)) return;
  settled.add(take);
  const { sound } = take;
  if (!take.gone.value) addPiece(take.state.value);
  announceNews();
  if (take.state.value.status !== 'completed') sound.pause();
  effect(() => {
    const wanted = sound.playing.value || (visible.value && isBeside(take));
    if (wanted && !sound.complete.value && !take.heard.value) untracked(() => loadSound(take));
  });
  effect(() => {
    if (sound.complete.value) keepPeaks(take.id, shortened(peaksOf(sound.samples, sound.frames.peek(), sound.frames.peek())));
  });
}
