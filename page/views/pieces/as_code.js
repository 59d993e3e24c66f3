// AsCode: what makes the piece as a program, in three languages.

import { html } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';

import { askedFor } from '../../lib/asked.js';
import { LANGUAGES } from '../../lib/code.js';
import { melodySource } from '../../state/melodies.js';
import { partsOf } from '../../state/parts.js';
import { apiKey, SERVER } from '../../state/session.js';
import { words } from '../../words.js';
import { CopyButton } from './copy_button.js';

/** @typedef {import('musicgen-api').TaskState} TaskState */
/** @typedef {import('../../lib/asked.js').Asked} Asked */

/** What it needs beside it. @param {{ piece: TaskState, asked: Asked }} props */
function Recordings({ piece, asked }) {
  const seconds = { melody: piece.melody_seconds ?? 0, continue_audio: piece.beginning_seconds ?? 0 };
  return asked.uploads.map(
    ({ field, file, task }) => html`<p key=${field} class="small soft">
      ${task ? words.code.keptMelody : words.code.recordings[field](seconds[field], file)}
    </p>`,
  );
}

/** @param {{ piece: TaskState }} props */
export function AsCode({ piece }) {
  const [chosen, choose] = useState(0);
  const [asked, setAsked] = useState(/** @type {Asked | null} */ (null));
  const [fault, setFault] = useState('');
  useEffect(() => {
    const parts = piece.mix_of ? Promise.resolve([]) : partsOf(piece);
    parts.then((all) => setAsked(askedFor(piece, all, melodySource(piece.task_id))), (error) => setFault(error.message));
  }, [piece.task_id]);
  if (!asked) return html`<p class=${fault ? 'fault' : 'soft'} role="status">${fault || words.loading}</p>`;
  const code = LANGUAGES[chosen].write(asked, { url: SERVER.replace(/\/$/, ''), hasKey: Boolean(apiKey.value) });
  return html`<div class="code">
    <div class="line" role="group" aria-label=${words.code.language}>
      ${LANGUAGES.map(
        ({ name }, at) => html`<button key=${name} type="button" class="chip" aria-pressed=${at === chosen ? 'true' : 'false'} onClick=${() => choose(at)}>
          ${name}
        </button>`,
      )}
      <${CopyButton} content=${code} class="quiet" />
    </div>
    <${Recordings} piece=${piece} asked=${asked} />
    <pre tabindex="0" aria-label=${words.pieces.asCode}><code>${code}</code></pre>
  </div>`;
}
