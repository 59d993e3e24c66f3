// What makes a piece, in Python with music_gen.

import { words } from '../words.js';
import { fileOf } from './asked.js';

/** @typedef {import('./asked.js').Asked} Asked */

const MIX_SETTINGS = ['mix_preset', 'levels', 'panning', 'effects', 'tempo_bpm', 'key', 'loudness'];

/** @param {unknown} value as Python writes it @returns {string} */
function literal(value) {
  if (value === null || value === undefined) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  if (typeof value === 'object') return `{${Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${literal(each)}`).join(', ')}}`;
  return JSON.stringify(value);
}

/** A dictionary, an entry a line. @param {Record<string, unknown>} fields */
function dictionary(fields) {
  const entries = Object.entries(fields).map(([name, value]) => `        ${JSON.stringify(name)}: ${literal(value)},\n`);
  return `{\n${entries.join('')}    }`;
}

/** @param {[string, string][]} given */
const keywords = (given) => given.map(([name, value]) => `    ${name}=${value},\n`).join('');

/** @param {Record<string, unknown>} fields @returns {[string, string][]} */
const literals = (fields) => Object.entries(fields).map(([name, value]) => [name, literal(value)]);

/** @param {Asked} asked */
function clip({ request, uploads }) {
  const { prompt = '', ...fields } = request;
  const files = uploads.map(({ field, file, task }) => /** @type {[string, string]} */ ([field, task ? `client.download(${literal(task)}).data` : literal(file)]));
  return ['clip', `client.generate(\n    ${literal(prompt)},\n${keywords([...literals(fields), ...files])})`, 'clip'];
}

/** @param {Asked} asked */
function instruments({ request }) {
  const { instruments: all, ...fields } = request;
  const isMixed = (/** @type {[string, unknown]} */ [name]) => MIX_SETTINGS.includes(name);
  const entries = Object.entries(fields);
  const common = literals(Object.fromEntries(entries.filter((entry) => !isMixed(entry))));
  const settings = dictionary(Object.fromEntries(entries.filter(isMixed)));
  return ['tracks', `client.multi_instrument(\n    ${dictionary(all)},\n${keywords([['mix_settings', settings], ...common])})`, 'tracks.mix'];
}

/** @param {Asked} asked */
function mix({ request, of }) {
  return ['tracks', `client.remix(\n    ${literal(of)},\n    ${dictionary(request)},\n)`, 'tracks.mix'];
}

const CALLS = { clip, instruments, mix };

/** @param {Asked} asked @param {import('./code.js').Server} server */
export function asPython(asked, { url, hasKey }) {
  const key = hasKey ? ', api_key=os.environ["OSTINATO_KEY"]' : '';
  const [name, call, made] = CALLS[asked.kind](asked);
  return `${words.code.python}
${hasKey ? 'import os\n\n' : ''}from music_gen import APIClient

client = APIClient(base_url="${url}"${key})
${name} = ${call}
${made}.save("${fileOf(asked)}")
`;
}
