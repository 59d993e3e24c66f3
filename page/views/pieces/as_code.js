// AsCode: the piece's request as a program, in three languages.

import { html } from 'htm/preact';
import { useState } from 'preact/hooks';

import { same } from '../../lib/again.js';
import { asCurl, asJavaScript, asPython } from '../../lib/code.js';
import { apiKey, SERVER } from '../../state/session.js';
import { words } from '../../words.js';
import { CopyButton } from './copy_button.js';

const LANGUAGES = [
  { name: 'curl', write: asCurl },
  { name: 'Python', write: asPython },
  { name: 'JavaScript', write: asJavaScript },
];

/** @param {{ piece: import('musicgen-api').TaskState }} props */
export function AsCode({ piece }) {
  const [chosen, choose] = useState(0);
  const code = LANGUAGES[chosen].write(same(piece), SERVER.replace(/\/$/, ''), Boolean(apiKey.value));
  return html`<div class="code">
    <div class="line" role="group" aria-label=${words.code.language}>
      ${LANGUAGES.map(
        ({ name }, at) => html`<button key=${name} type="button" class="chip" aria-pressed=${at === chosen ? 'true' : 'false'} onClick=${() => choose(at)}>
          ${name}
        </button>`,
      )}
      <${CopyButton} content=${code} class="quiet" />
    </div>
    ${piece.melody_seconds && html`<p class="small soft">${words.code.melody(piece.melody_seconds)}</p>`}
    <pre tabindex="0" aria-label=${words.pieces.asCode}><code>${code}</code></pre>
  </div>`;
}
