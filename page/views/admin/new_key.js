// NewKey: shows a key that was just made, this once.

import { html } from 'htm/preact';

import { words } from '../../admin_words.js';
import { newKey, useAdminKey } from '../../state/admin.js';

export function NewKey() {
  const made = newKey.value;
  const { keys: said } = words;
  if (!made) return null;
  const close = () => {
    newKey.value = null;
  };
  const use = () => {
    close();
    return useAdminKey(made.key);
  };
  return html`<div class="panel new-key" role="alert">
    <p>${said.shown(made.name)}</p>
    <p><code class="secret">${made.key}</code></p>
    ${made.scope === 'admin' && html`<button type="button" class="main" onClick=${use}>${said.use}</button> `}
    <button type="button" onClick=${close}>${said.hide}</button>
  </div>`;
}
