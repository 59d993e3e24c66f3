// What somebody wishes for: the fields of the form, kept over a reload, and what the server found wrong with them.

import { effect, signal } from '@preact/signals';
import { InvalidRequestError } from 'musicgen-api';

import { kept } from '../lib/kept.js';
import { words } from '../words.js';
import { sentenceOf } from './faults.js';
import { melody, noteMelody } from './melodies.js';
import { onOtherKey } from './session.js';
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
  keepFaults((name) => name !== 'form' && !(name in changes));
}

/** The form as a request, its melody left aside. @returns {MusicRequest} */
export function requestOf() {
  const form = { ...EMPTY, ...fields.value };
  /** @type {Record<string, unknown>} */
  const request = { prompt: form.prompt.trim(), duration: form.duration };
  for (const name of NUMBERS) if (form[name] !== '') request[name] = Number(form[name]);
  for (const name of WORDS) if (form[name]) request[name] = form[name];
  return request;
}

/** Submits what the form says. Faults stand at their fields; nothing that was typed is lost. */
export async function make() {
  const request = requestOf();
  faults.value = request.prompt || melody.value ? {} : { prompt: words.faults.noPrompt };
  if (faults.value.prompt) return;
  try {
    await send(request, fields.value.takes, melody.value);
  } catch (error) {
    faults.value = faultsOf(error);
  }
}

/** Submits a request, one at a time. Raises what the client raises.
 *
 * @param {MusicRequest} request
 * @param {number} count
 * @param {import('./melodies.js').Melody | null} [followed]
 */
export async function send(request, count, followed = null) {
  if (sending.value) return;
  sending.value = true;
  try {
    const tasks = await submit(followed ? { ...request, melody: followed.blob } : request, count);
    if (followed) noteMelody(tasks, followed);
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
  return { form: sentenceOf(error) };
}

/** @param {(name: string) => boolean} kept */
function keepFaults(kept) {
  faults.value = Object.fromEntries(Object.entries(faults.peek()).filter(([name]) => kept(name)));
}

effect(() => {
  void melody.value;
  keepFaults((name) => name !== 'melody');
});
onOtherKey(() => keepFaults((name) => name !== 'form'));
