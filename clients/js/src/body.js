// A request as a body: JSON, or a form when a file comes with it. Knows no fields but files and `continue_from`.

import { jsonBody } from './http.js';

const FILES = ['melody', 'continue_audio'];
const BLOCK_BYTES = 3 * 8192; // each block is base64 by itself

/** As the API takes it: `continue_from` may be a Clip, a Task, or an id. */
export function plain({ continue_from: earlier, ...fields }) {
  return { ...fields, continue_from: earlier?.task_id ?? earlier?.id ?? earlier };
}

/** As JSON has it, recordings as data: URIs: a batch's request, or an instrument of a piece. */
export async function inJson(request) {
  const fields = plain(request);
  for (const name of filesIn(fields)) fields[name] = await dataUri(await fileOf(name, fields[name]));
  return fields;
}

export async function instrumentsInJson(instruments) {
  const asked = Object.entries(instruments ?? {}).map(async ([name, each]) => {
    return [name, each instanceof Object ? await inJson(each) : each];
  });
  return Object.fromEntries(await Promise.all(asked));
}

/** { body, headers }. A file may be a Blob, a File, bytes, or in Node the path of one. */
export async function encode(request) {
  const fields = plain(request);
  const files = filesIn(fields);
  if (!files.length) return jsonBody(fields);
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (files.includes(name) || value === undefined || value === null) continue;
    form.append(name, String(value)); // a list: its words with commas
  }
  for (const name of files) {
    const file = await fileOf(name, fields[name]);
    form.append(name, file, file.name ?? name);
  }
  return { body: form, headers: {} };
}

function filesIn(fields) {
  return FILES.filter((name) => fields[name] !== undefined && fields[name] !== null);
}

/** RFC 2397. The server tells by the content what it is. */
async function dataUri(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const encoded = [];
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    encoded.push(btoa(String.fromCharCode(...bytes.subarray(at, at + BLOCK_BYTES))));
  }
  const type = blob.type.startsWith('audio/') ? blob.type : 'audio/octet-stream';
  return `data:${type};base64,${encoded.join('')}`;
}

async function fileOf(name, given) {
  if (given instanceof Blob) return given;
  if (given instanceof ArrayBuffer || ArrayBuffer.isView(given)) return new Blob([given]);
  const files = globalThis.process?.getBuiltinModule?.('node:fs/promises');
  if (typeof given === 'string' && files) {
    return new File([await files.readFile(given)], given.split(/[\\/]/).pop());
  }
  throw new TypeError(`${name} must be a Blob, a File, an ArrayBuffer, a Uint8Array or, in Node, the path of a file`);
}

/** Random, and there in pages without https too, which have no crypto.randomUUID. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
