// What makes a piece, in JavaScript with musicgen-api.

import { words } from '../words.js';
import { fileOf } from './asked.js';

/** @typedef {import('./asked.js').Asked} Asked */

/** @param {unknown} value */
const literal = (value) => JSON.stringify(value, null, 2);

/** Uploads stand at the end of the request, those that are kept as what gets them. @param {Asked} asked */
function clip({ request, uploads }) {
  const files = uploads.map(({ field, file, task }) => `  ${field}: ${task ? `await (await client.task('${task}').wait()).bytes()` : `'${file}'`},\n`);
  const fields = Object.entries(request).map(([name, value]) => `  ${name}: ${literal(value)},\n`);
  return `const clip = await client.generate({\n${[...fields, ...files].join('')}});`;
}

/** @param {Asked} asked */
function instruments({ request }) {
  return `const clip = await client.multiInstrument(${literal(request)});`;
}

/** @param {Asked} asked */
function mix({ request, of }) {
  return `const mix = await client.task('${of}').remix(${literal(request)});\nconst clip = await mix.wait();`;
}

const CALLS = { clip, instruments, mix };

/** @param {Asked} asked @param {import('./code.js').Server} server */
export function asJavaScript(asked, { url, hasKey }) {
  const key = hasKey ? ', apiKey: process.env.OSTINATO_KEY' : '';
  return `${words.code.javascript}
import MusicGenAPI from 'musicgen-api';

const client = new MusicGenAPI({ baseUrl: '${url}'${key} });
${CALLS[asked.kind](asked)}
await clip.save('${fileOf(asked)}');
`;
}
