// Download: the piece's file as it is kept, or converted by the server, into the browser's downloads.

import { html } from 'htm/preact';
import { useState } from 'preact/hooks';

import { ask } from '../../state/session.js';
import { words } from '../../words.js';

/** @typedef {import('musicgen-api').OutputFormat} OutputFormat */

const text = words.download;
const FORMATS = /** @type {OutputFormat[]} */ (['wav', 'mp3', 'flac', 'ogg', 'opus', 'm4a', 'aac']);
const LOSSLESS = ['wav', 'flac'];

/** @param {{ piece: import('musicgen-api').TaskState }} props */
export function Download({ piece }) {
  const [fault, setFault] = useState('');
  const [busy, setBusy] = useState('');
  const kept = /** @type {OutputFormat} */ (piece.format);
  /** @param {OutputFormat} format */
  const save = async (format) => {
    setFault('');
    setBusy(format);
    try {
      const clip = await ask((client) => client.task(piece.task_id).wait());
      await (format === kept ? clip.save() : clip.save(undefined, { format }));
    } catch (error) {
      setFault(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy('');
    }
  };
  return html`<div>
    <div class="line" role="group" aria-label=${text.formats}>
      ${[kept, ...FORMATS.filter((name) => name !== kept)].map(
        (name) => html`<button key=${name} type="button" class="chip" disabled=${busy !== ''} onClick=${() => save(name)}>
          ${busy === name ? text.busy(name) : name}
        </button>`,
      )}
    </div>
    <p class="small soft">${text.kept(kept)} ${LOSSLESS.includes(kept) ? '' : text.lossy(kept)}</p>
    <p class="fault" role="alert">${fault}</p>
  </div>`;
}
