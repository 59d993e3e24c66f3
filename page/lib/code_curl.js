// What makes a piece, for a POSIX shell with curl.

import { words } from '../words.js';
import { fileOf } from './asked.js';

/** @typedef {import('./asked.js').Asked} Asked */

const PATHS = {
  clip: () => '/tasks',
  instruments: () => '/tasks/multi-instrument',
  mix: (/** @type {string} */ id) => `/tasks/${id}/mix`,
};

/** @param {string} text for a POSIX shell */
function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** @param {Asked} asked */
function bodyOf({ request, uploads }) {
  if (!uploads.length) return ["-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(request))}`];
  const fields = Object.entries(request).map(([name, value]) => `--form-string ${quoted(`${name}=${value}`)}`);
  return [...fields, ...uploads.map(({ field, file }) => `-F ${field}=@${file}`)];
}

/** @param {Asked} asked @param {import('./code.js').Server} server */
export function asCurl(asked, { url, hasKey }) {
  const key = hasKey ? ` \\\n  -H "Authorization: Bearer $OSTINATO_KEY"` : '';
  const kept = asked.uploads.filter(({ task }) => task);
  const fetched = kept.map(({ file, task }) => `curl -sSL -o ${file} "${url}/tasks/${task}/audio"${key}\n`).join('');
  return `${words.code.curl}
${fetched}id=$(curl -sS ${url}${PATHS[asked.kind](asked.of)}${key} \\
  ${bodyOf(asked).join(' \\\n  ')} | sed 's/.*"status_url": *"[^"]*\\/\\([^"]*\\)".*/\\1/')
while curl -sS "${url}/tasks/$id?wait=25"${key} | grep -q '"status": *"processing"'; do :; done
curl -sSL -o ${fileOf(asked)} "${url}/tasks/$id/audio"${key}
`;
}
