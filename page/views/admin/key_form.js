// KeyForm: makes a key. What was typed outlives the form, which goes while the page asks for an operator's key.

import { html } from 'htm/preact';
import { signal } from '@preact/signals';

import { words } from '../../admin_words.js';
import { act, newKey } from '../../state/admin.js';

/** @typedef {import('musicgen-api').KeyRequest} KeyRequest */

const LIMITS = /** @type {const} */ (['rpm', 'rpd', 'concurrent', 'monthly_bytes']);

const typed = signal(/** @type {Record<string, string>} */ ({}));
const wished = signal(false);
const open = signal(false);

/** @param {boolean} admin @returns {KeyRequest} */
function requestOf(admin) {
  const { name = '' } = typed.value;
  if (admin) return { name, admin: true };
  const given = ['account', ...LIMITS].map((field) => [field, (typed.value[field] ?? '').trim()]);
  return { name, ...Object.fromEntries(given.filter(([, value]) => value)) };
}

/** @param {Event} event */
function type(event) {
  const { name, value } = /** @type {HTMLInputElement} */ (event.target);
  if (name) typed.value = { ...typed.value, [name]: value };
}

/** @param {{ first: boolean }} props `first`: no key exists, so it must be an operator's */
export function KeyForm({ first }) {
  const { keys: said } = words;
  const admin = first || wished.value;
  /** @param {string} name */
  const value = (name) => typed.value[name] ?? '';
  /** @param {SubmitEvent} event */
  const submit = async (event) => {
    event.preventDefault();
    const asked = requestOf(admin);
    const made = await act(`${said.create} ${asked.name}`, async (by) => {
      newKey.value = await by.createKey(asked); // before the server is asked anything without it
      return true;
    });
    if (made) typed.value = {};
  };
  return html`<details open=${open.value} onToggle=${(/** @type {Event} */ event) => (open.value = /** @type {HTMLDetailsElement} */ (event.currentTarget).open)}><summary>${said.create}</summary>
    <form class="filters" onSubmit=${submit} onInput=${type}>
      <label>${said.name} <input name="name" type="text" value=${value('name')} required maxlength="100" autocomplete="off" /></label>
      <label class="check"><input type="checkbox" checked=${admin} disabled=${first}
        onChange=${(/** @type {Event} */ event) => (wished.value = /** @type {HTMLInputElement} */ (event.currentTarget).checked)} /> ${said.admin}</label>
      ${!admin && html`<label>${said.account} <input name="account" type="text" value=${value('account')} autocomplete="off" /></label>
        ${LIMITS.map((limit) => html`<label>${said.limits[limit]} <input name=${limit} type="text" value=${value(limit)} inputmode="numeric" placeholder=${said.limitHint} /></label>`)}`}
      <button type="submit">${said.create}</button>
    </form>
  </details>`;
}
