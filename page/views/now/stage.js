// How far a take is, in words.

import { about } from '../../lib/time.js';
import { load } from '../../state/service.js';
import { words } from '../../words.js';

/** @typedef {import('../../state/take.js').Take} Take */

const USUAL_S = 8; // of a request that says nothing

/** @param {Take} take */
export function stageOf(take) {
  const { status, stage, progress, position, error } = take.state.value;
  const text = words.now;
  if (take.gone.value) return text.gone;
  if (status === 'completed') return text.done;
  if (status === 'cancelled') return text.cancelled;
  if (status === 'failed') return text.failed(error ?? '');
  if (stage === 'waiting_for_tasks') return text.waitsForOthers;
  if (stage === 'uploading') return text.storing;
  if (stage === 'running') return progress > 0 ? text.made(Math.round(progress)) : text.preparing;
  if (load.value?.workers === 0) return text.noWorker;
  return position === null ? text.waiting : text.ahead(position);
}

/** The same for who hears the page: told once, and not with each percent. @param {Take} take */
export function newsOf(take) {
  return take.state.value.stage === 'running' && !take.ended ? words.now.begun : stageOf(take);
}

/** What is left of it, counting down; '' while that is unknown. @param {Take} take */
export function leftOf(take) {
  const due = take.due.value;
  if (!due || take.ended) return '';
  const time = about((due.at - Date.now()) / 1000);
  return due.later ? words.now.leftLater(time) : words.now.left(time);
}

/** How long it will be, in seconds. @param {Take} take */
export function durationOf(take) {
  const { duration, request } = take.state.value;
  return Math.max(duration ?? Number(request.duration ?? USUAL_S), take.sound.madeS);
}

/** Whether it can be heard, now or later. @param {Take} take */
export function sounds(take) {
  const { status } = take.state.value;
  return status !== 'failed' && status !== 'cancelled';
}
