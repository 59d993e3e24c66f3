// TaskFilters: which tasks are listed.

import { html } from 'htm/preact';

import { words } from '../../admin_words.js';
import { filter, filterTasks, queue, span } from '../../state/admin.js';

/** @typedef {import('musicgen-api').AdminTask['status']} Status */

const STATUSES = /** @type {Status[]} */ (Object.keys(words.tasks.statuses));
const WAIT_MS = 300; // after a letter

let typing = 0;

/** @param {'q' | 'account'} name @param {Event} event */
function typed(name, event) {
  const { value } = /** @type {HTMLInputElement} */ (event.currentTarget);
  clearTimeout(typing);
  typing = window.setTimeout(() => filterTasks({ [name]: value.trim() }), WAIT_MS);
}

export function TaskFilters() {
  const { tasks: said } = words;
  const chosen = filter.value;
  /** @param {(value: string) => void} take */
  const on = (take) => (/** @type {Event} */ event) => take(/** @type {HTMLSelectElement} */ (event.currentTarget).value);
  return html`<form class="filters" role="search" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
    <label>${said.status} <select value=${chosen.status ?? ''}
      onChange=${on((value) => filterTasks({ status: STATUSES.find((status) => status === value) }))}>
      <option value="">${said.all}</option>${STATUSES.map((status) => html`<option value=${status}>${said.statuses[status]}</option>`)}
    </select></label>
    <label>${said.model} <select value=${chosen.model ?? ''} onChange=${on((value) => filterTasks({ model: value }))}>
      <option value="">${said.all}</option>${queue.value?.models.map(({ model }) => html`<option value=${model}>${model}</option>`)}
    </select></label>
    <label>${said.since} <select value=${String(span.value)} onChange=${on((value) => filterTasks({}, Number(value)))}>
      ${Object.entries(said.spans).map(([seconds, name]) => html`<option value=${seconds}>${name}</option>`)}
    </select></label>
    <label>${said.account} <input type="text" defaultValue=${chosen.account ?? ''} onInput=${(/** @type {Event} */ event) => typed('account', event)} /></label>
    <label>${said.search} <input type="search" defaultValue=${chosen.q ?? ''} onInput=${(/** @type {Event} */ event) => typed('q', event)} /></label>
  </form>`;
}
