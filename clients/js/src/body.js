// A request as a body: JSON, or a form when a melody comes with it. Knows no field but `melody`.

import { jsonBody } from './http.js';

/** { body, headers }. `melody` may be a Blob, a File, bytes, or in Node the path of a file. */
export async function encode({ melody, ...fields }) {
  if (melody === undefined || melody === null) return jsonBody(fields);
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined && value !== null) form.append(name, String(value)); // a list: its words with commas
  }
  const file = await fileOf(melody);
  form.append('melody', file, file.name ?? 'melody');
  return { body: form, headers: {} };
}

async function fileOf(melody) {
  if (melody instanceof Blob) return melody;
  if (melody instanceof ArrayBuffer || ArrayBuffer.isView(melody)) return new Blob([melody]);
  const files = globalThis.process?.getBuiltinModule?.('node:fs/promises');
  if (typeof melody === 'string' && files) {
    return new File([await files.readFile(melody)], melody.split(/[\\/]/).pop());
  }
  throw new TypeError('melody must be a Blob, a File, an ArrayBuffer, a Uint8Array or, in Node, the path of a file');
}

/** Random, and there in pages without https too, which have no crypto.randomUUID. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
