// What somebody wishes for: the fields of the form, kept over a reload, and what the server found wrong with them.

import { signal } from '@preact/signals';
import { APIError, InvalidRequestError, QueueFullError } from 'musicgen-api';

import { kept } from '../lib/kept.js';
import { about } from '../lib/time.js';
import { words } from '../words.js';
import { melody } from './melodies.js';
import { submit } from './takes.js';

/** @typedef {import('musicgen-api').MusicRequest} MusicRequest */
/** Each field as it stands in its control; '' is the server's default.
 * @typedef {{ prompt: string, duration: number, takes: number, model: string, temperature: string, top_k: string,
 *   top_p: string, guidance_scale: string, seed: string, output_format: string, loudness: string }} Fields */

/** @type {Fields} */
const EMPTY = {
  prompt: '', duration: 8, takes: 1, model: '', temperature: '', top_k: '', top_p: '', guidance_scale: '', seed: '',
  output_format: '', loudness: '',
};
const NUMBERS = /** @type {const} */ (['temperature', 'top_k', 'top_p', 'guidance_scale', 'seed', 'loudness']);
const WORDS = /** @type {const} */ (['model', 'output_format']);

export const fields = kept('form', EMPTY);
/** By the field's name; `form` is what belongs to none. */
export const faults = signal(/** @type {Record<string, string>} */ ({}));
export const sending = signal(false);

/** @param {Partial<Fields>} changes */
export function change(changes) {
  fields.value = { ...EMPTY, ...fields.value, ...changes };
  const left = Object.entries(faults.value).filter(([name]) => name !== 'form' && !(name in changes));
  faults.value = Object.fromEntries(left);
}

/** The form as a request. @returns {MusicRequest} */
export function requestOf() {
  const form = { ...EMPTY, ...fields.value };
  /** @type {Record<string, unknown>} */
  const request = { prompt: form.prompt.trim(), duration: form.duration };
  for (const name of NUMBERS) if (form[name] !== '') request[name] = Number(form[name]);
  for (const name of WORDS) if (form[name]) request[name] = form[name];
  if (melody.value) request.melody = melody.value.blob;
  return request;
}

/** Submits what the form says. Faults stand at their fields; nothing that was typed is lost. */
export async function make() {
  await send(requestOf(), fields.value.takes);
}

/** Submits a request; what is wrong with it is told at the form. @param {MusicRequest} request @param {number} count */
export async function send(request, count) {
  if (sending.value) return;
  if (!request.prompt && !request.melody && !request.continue_from) {
    faults.value = { prompt: words.faults.noPrompt };
    return;
  }
  sending.value = true;
  faults.value = {};
  try {
    await submit(request, count);
  } catch (error) {
    faults.value = faultsOf(error);
  } finally {
    sending.value = false;
  }
}

/** @param {unknown} error @returns {Record<string, string>} */
function faultsOf(error) {
  if (error instanceof InvalidRequestError && error.fields.length) {
    const own = new Set([...Object.keys(EMPTY), 'melody']);
    return Object.fromEntries(error.fields.map(({ field, message }) => [own.has(field) ? field : 'form', message]));
  }
  if (error instanceof QueueFullError) return { form: words.faults.queueFull(about((error.retryAfterMs ?? 30_000) / 1000)) };
  if (error instanceof APIError && error.status === 401) return { form: words.faults.noKey };
  return { form: error instanceof Error ? error.message : String(error) };
}
