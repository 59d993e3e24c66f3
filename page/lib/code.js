// A request as a program: curl, Python and JavaScript that make the same, as they can be pasted and run.

import { words } from '../words.js';

/** @typedef {import('musicgen-api').MusicRequest} MusicRequest */

/** @param {string} text for a POSIX shell */
function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** @param {unknown} value as Python writes it */
function inPython(value) {
  if (value === true) return 'True';
  if (value === false) return 'False';
  return JSON.stringify(value);
}

/** @param {MusicRequest} request @param {string} server without a slash at its end @param {boolean} hasKey */
export function asCurl(request, server, hasKey) {
  const key = hasKey ? ` \\\n  -H "Authorization: Bearer $OSTINATO_KEY"` : '';
  const asked = quoted(JSON.stringify(request));
  return `${words.code.curl}
id=$(curl -sS ${server}/tasks -H 'Content-Type: application/json'${key} \\
  -d ${asked} | sed 's/.*"task_id": *"\\([^"]*\\)".*/\\1/')
while curl -sS "${server}/tasks/$id?wait=25"${key} | grep -q '"status": *"processing"'; do :; done
curl -sSL -o music.${request.output_format ?? 'wav'} "${server}/tasks/$id/audio"${key}
`;
}

/** @param {MusicRequest} request @param {string} server @param {boolean} hasKey */
export function asPython(request, server, hasKey) {
  const { prompt = '', ...fields } = request;
  const given = Object.entries(fields).map(([name, value]) => `    ${name}=${inPython(value)},\n`);
  const key = hasKey ? ', api_key=os.environ["OSTINATO_KEY"]' : '';
  return `${words.code.python}
${hasKey ? 'import os\n\n' : ''}from music_gen import APIClient

client = APIClient(base_url="${server}"${key})
clip = client.generate(
    ${inPython(prompt)},
${given.join('')})
clip.save("music.${request.output_format ?? 'wav'}")
`;
}

/** @param {MusicRequest} request @param {string} server @param {boolean} hasKey */
export function asJavaScript(request, server, hasKey) {
  const key = hasKey ? ', apiKey: process.env.OSTINATO_KEY' : '';
  return `${words.code.javascript}
import MusicGenAPI from 'musicgen-api';

const client = new MusicGenAPI({ baseUrl: '${server}'${key} });
const clip = await client.generate(${JSON.stringify(request, null, 2)});
await clip.save('music.${request.output_format ?? 'wav'}');
`;
}
