// KeyForm: makes a key.

import { html } from 'htm/preact';
import { useState } from 'preact/hooks';

import { words } from '../../admin_words.js';
import { act, newKey } from '../../state/admin.js';

/** @typedef {import('musicgen-api').KeyRequest} KeyRequest */

const LIMITS = /** @type {const} */ (['rpm', 'rpd', 'concurrent', 'monthly_bytes']);

/** @param {FormData} form @param {boolean} admin @returns {KeyRequest} */
function requestOf(form, admin) {
  const name = String(form.get('name'));
  if (admin) return { name, admin: true };
  const given = ['account', ...LIMITS].map((field) => [field, String(form.get(field) ?? '').trim()]);
  return { name, ...Object.fromEntries(given.filter(([, value]) => value)) };
}

/** @param {{ first: boolean }} props `first`: no key exists, so it must be an operator's */
export function KeyForm({ first }) {
  const { keys: said } = words;
  const [wished, setWished] = useState(false);
  const admin = first || wished;
  /** @param {SubmitEvent} event */
  const submit = async (event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    const asked = requestOf(new FormData(form), admin);
    const made = await act(`${said.create} ${asked.name}`, async (by) => {
      newKey.value = await by.createKey(asked); // before the server is asked anything without it
      return true;
    });
    if (made) form.reset();
  };
  return html`<details><summary>${said.create}</summary>
    <form class="filters" onSubmit=${submit}>
      <label>${said.name} <input name="name" type="text" required maxlength="100" autocomplete="off" /></label>
      <label class="check"><input type="checkbox" checked=${admin} disabled=${first}
        onChange=${(/** @type {Event} */ event) => setWished(/** @type {HTMLInputElement} */ (event.currentTarget).checked)} /> ${said.admin}</label>
      ${!admin && html`<label>${said.account} <input name="account" type="text" autocomplete="off" /></label>
        ${LIMITS.map((limit) => html`<label>${said.limits[limit]} <input name=${limit} type="text" inputmode="numeric" placeholder=${said.limitHint} /></label>`)}`}
      <button type="submit">${said.create}</button>
    </form>
  </details>`;
}
