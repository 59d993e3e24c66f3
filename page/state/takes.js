// What is made now: the takes of the latest submission, and all that was found to be going on.

import { computed, effect, signal, untracked } from '@preact/signals';

import { peaksOf, shortened } from '../lib/peaks.js';
import { speakers, unlock } from '../lib/speakers.js';
import { announceNews } from '../lib/tabs.js';
import { addPiece, keepPeaks } from './pieces.js';
import { soundFault } from './faults.js';
import { ask, client, onOtherKey, usedUp } from './session.js';
import { Take } from './take.js';
import { visible } from './visible.js';

/** @typedef {import('musicgen-api').MusicRequest} MusicRequest */
/** @typedef {import('musicgen-api').Task} Task */
/** @typedef {import('musicgen-api').TaskState} TaskState */

/** The newest first. */
export const takes = signal(/** @type {Take[]} */ ([]));
/** The one that is shown large and heard. */
export const chosenId = signal('');
export const chosen = computed(() => takes.value.find((take) => take.id === chosenId.value) ?? takes.value[0] ?? null);
/** The takes that were asked for together with the chosen one, itself included. */
export const siblings = computed(() => {
  const batch = chosen.value?.state.value.batch_id;
  return batch ? takes.value.filter((take) => take.state.value.batch_id === batch) : [];
});

/** Submits it as so many takes, and hears the first as soon as there is sound. Raises what the client raises.
 *
 * @param {MusicRequest} request
 * @param {number} count
 */
export async function submit(request, count) {
  unlock();
  const streams = !request.loudness;
  const { output_format: format = 'wav' } = request;
  const asked = { ...request, stream: streams, ...(streams && format !== 'wav' ? { cache: false } : {}) };
  if (count === 1) {
    const task = await ask((by) => by.submit(asked));
    usedUp.value = '';
    begin([task], asked);
    return;
  }
  const batch = await ask((by) => by.variations(asked, count));
  usedUp.value = '';
  begin(batch.tasks, asked);
}

/** @param {Task[]} tasks @param {MusicRequest} request */
function begin(tasks, request) {
  const made = tasks.map((task) => new Take(task, /** @type {TaskState} */ (task.state), request));
  takes.value = [...made, ...takes.value.filter((take) => !take.ended)];
  choose(made[0]);
  made[0].sound.play();
  announceNews();
}

/** @param {Take} take */
export function choose(take) {
  chosenId.value = take.id;
}

/** Takes up what goes on at the server, of which this page may know nothing. @param {Task[]} tasks */
export function resume(tasks) {
  const known = new Set(takes.value.map((take) => take.id));
  const found = tasks.filter((task) => task.state?.status === 'processing' && !task.state.part_of && !known.has(task.id));
  if (!found.length) return;
  const more = found.map((task) => new Take(client.value.task(task.id), /** @type {TaskState} */ (task.state)));
  takes.value = [...takes.value, ...more];
}

onOtherKey(() => {
  takes.value.forEach((take) => take.leave());
  takes.value = [];
});

/** The sound of a take that was made without being heard. @param {Take} take */
async function loadSound({ id, sound, fault }) {
  fault.value = '';
  try {
    const bytes = await ask(async (by) => (await by.task(id).wait()).bytes());
    sound.fill(await speakers().context.decodeAudioData(/** @type {ArrayBuffer} */ (bytes.buffer)));
  } catch (error) {
    sound.pause();
    fault.value = soundFault(error);
  }
}

/** Follows all of them while they are of interest, each as closely as connections allow. */
export function watchTakes() {
  return effect(() => {
    for (const take of takes.value) {
      const seen = visible.value || take.sound.playing.value;
      const near = take === chosen.value;
      if (take.ended) untracked(() => settle(take));
      else take.follow(!seen ? 'none' : near ? 'events' : 'polls');
    }
  });
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
    if (sound.playing.value && !sound.complete.value && !take.heard.value) untracked(() => loadSound(take));
  });
  effect(() => {
    if (sound.complete.value) keepPeaks(take.id, shortened(peaksOf(sound.samples, sound.frames.peek(), sound.frames.peek())));
  });
}
