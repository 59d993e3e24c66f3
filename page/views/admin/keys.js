// Keys: who may ask for what, and what they have used.

import { html } from 'htm/preact';
import { useRef } from 'preact/hooks';

import { words } from '../../admin_words.js';
import { act, keyPage } from '../../state/admin.js';
import { Action } from './action.js';
import { KeyForm } from './key_form.js';
import { Part, Table } from './table.js';

/** @typedef {import('musicgen-api').AdminKey} Key */

/** @param {number | null} used @param {number | null} limit */
function ofLimit(used, limit) {
  return `${used ?? 0} / ${limit ?? words.keys.noLimit}`;
}

/** @param {{ each: Key }} props */
function Row({ each }) {
  const { keys: said } = words;
  const cancels = useRef(/** @type {HTMLInputElement | null} */ (null));
  const { limits, use } = each;
  const megabytes = limits.monthly_bytes === null ? null : Math.round(limits.monthly_bytes / 1e6);
  const disable = () => {
    const cancelJobs = cancels.current?.checked ?? false;
    return act(`${said.disable} ${each.name}`, (by) => by.disableKey(each.id, { cancelJobs }));
  };
  const figures = each.scope === 'admin' ? html`<td colspan="5"></td>` : html`
    <td class="number">${ofLimit(use.submissions['submissions a minute'] ?? null, limits.rpm)}</td>
    <td class="number">${ofLimit(use.submissions['submissions a day'] ?? null, limits.rpd)}</td>
    <td class="number">${ofLimit(use.running, limits.concurrent)}</td>
    <td class="number">${ofLimit(Math.round(use.month_bytes / 1e6), megabytes)}</td>
    <td class="number">${use.waiting}</td>`;
  return html`<tr class=${each.disabled ? 'over' : ''}>
    <th scope="row">${each.name}</th><td>${each.scope}</td><td>${each.account}</td>${figures}<td><code>${each.id}</code></td>
    <td class="act">${each.disabled ? said.disabled : html`<${Action} label=${said.disable} question=${said.reallyDisable} about=${each.name} run=${disable}>
      <label class="check"><input type="checkbox" ref=${cancels} /> ${said.cancelJobs}</label></${Action}>`}</td>
  </tr>`;
}

export function Keys() {
  const page = keyPage.value;
  const { keys: said } = words;
  if (!page) return null;
  return html`<${Part} title=${said.title} count=${page.total}>
    <${Table} label=${said.title} columns=${said.columns} numbers=${[3, 4, 5, 6, 7]} none=${said.none}>
      ${page.keys.map((each) => html`<${Row} key=${each.id} each=${each} />`)}
    </${Table}>
    <${KeyForm} first=${!page.total} />
  </${Part}>`;
}
