// A piece for several instruments that somebody wishes for: its parts, and what they have in common.

import { signal } from '@preact/signals';
import { InvalidRequestError } from 'musicgen-api';

import { kept } from '../lib/kept.js';
import { words } from '../words.js';
import { ask } from './session.js';
import { show } from './takes.js';

/** @typedef {{ name: string, prompt: string }} PartFields */
/** Each as it stands in its control; '' is the server's default.
 * @typedef {{ parts: PartFields[], duration: number, mix_preset: string, tempo_bpm: string, key: string }} PieceFields */

export const MOST_PARTS = 16;
const TONICS = ['C', 'C#', 'D', 'Eb', 'E', 'F', 'F#', 'G', 'Ab', 'A', 'Bb', 'B'];
/** As the server has them. */
export const KEYS = TONICS.flatMap((tonic) => [`${tonic} major`, `${tonic} minor`]);
/** @type {PieceFields} */
const FIRST = {
  parts: words.instruments.examples.map(([name, prompt]) => ({ name, prompt })),
  duration: 8, mix_preset: 'jazz_club', tempo_bpm: '', key: '',
};

export const fields = kept('instruments', FIRST);
/** By the field's name as the server has it; `form` is what belongs to none. */
export const faults = signal(/** @type {Record<string, string>} */ ({}));
export const sending = signal(false);

/** @param {Partial<PieceFields>} changes */
export function change(changes) {
  fields.value = { ...FIRST, ...fields.value, ...changes };
  faults.value = {};
}

/** @param {number} index @param {Partial<PartFields>} changes */
export function changePart(index, changes) {
  change({ parts: fields.value.parts.map((part, at) => (at === index ? { ...part, ...changes } : part)) });
}

export function addPart() {
  change({ parts: [...fields.value.parts, { name: '', prompt: '' }] });
}

/** @param {number} index */
export function removePart(index) {
  change({ parts: fields.value.parts.filter((_, at) => at !== index) });
}

export async function make() {
  if (sending.value) return;
  const { parts, duration, mix_preset: preset, tempo_bpm: tempo, key } = fields.value;
  const names = parts.map(({ name }) => name.trim());
  const twice = names.findIndex((name, at) => !name || names.indexOf(name) !== at);
  if (twice >= 0) {
    faults.value = { [`part.${twice}.name`]: names[twice] ? words.instruments.twice : words.instruments.noName };
    return;
  }
  const common = { ...(preset ? { mix_preset: preset } : {}), ...(tempo ? { tempo_bpm: Number(tempo) } : {}), ...(key ? { key } : {}) };
  const instruments = Object.fromEntries(parts.map(({ prompt }, at) => [names[at], prompt.trim()]));
  sending.value = true;
  faults.value = {};
  try {
    const task = await ask((client) => client.submitMultiInstrument({ instruments, duration, ...common }));
    show(task);
  } catch (error) {
    faults.value = faultsOf(error, names);
  } finally {
    sending.value = false;
  }
}

/** @param {unknown} error @param {string[]} names @returns {Record<string, string>} */
function faultsOf(error, names) {
  if (!(error instanceof InvalidRequestError) || !error.fields.length) return { form: error instanceof Error ? error.message : String(error) };
  const own = new Set(['duration', 'mix_preset', 'tempo_bpm', 'key']);
  const place = (/** @type {string} */ field) => {
    const part = names.findIndex((name) => field === `instruments.${name}` || field.startsWith(`instruments.${name}.`));
    return part >= 0 ? `part.${part}.prompt` : own.has(field) ? field : 'form';
  };
  return Object.fromEntries(error.fields.map(({ field, message }) => [place(field), message]));
}
