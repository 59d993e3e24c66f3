// What went wrong, in a sentence for whoever asked.

import { APIError, QueueFullError } from 'musicgen-api';

import { about } from '../lib/time.js';
import { words } from '../words.js';

const USUAL_WAIT_MS = 30_000;

/** @param {unknown} error */
export function sentenceOf(error) {
  if (error instanceof QueueFullError) return words.faults.queueFull(about((error.retryAfterMs ?? USUAL_WAIT_MS) / 1000));
  if (error instanceof APIError && error.status === 401) return words.faults.noKey;
  return error instanceof Error ? error.message : String(error);
}

/** Whether its lifetime is over, or somebody deleted it. @param {unknown} error */
export const isGone = (error) => error instanceof APIError && [404, 410].includes(error.status ?? 0);

/** Why a piece cannot be heard. @param {unknown} error */
export function soundFault(error) {
  return isGone(error) ? words.pieces.gone : sentenceOf(error);
}
