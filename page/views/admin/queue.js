// Queue: what waits and runs, by model and priority, and by account.

import { html } from 'htm/preact';

import { words } from '../../admin_words.js';
import { about } from '../../lib/time.js';
import { queue } from '../../state/admin.js';
import { Part, Table } from './table.js';

const PRIORITIES = ['high', 'normal', 'low'];

export function Queue() {
  const found = queue.value;
  const { queue: said } = words;
  if (!found) return null;
  const now = Date.now() / 1000;
  return html`<${Part} title=${said.title}><div class="pair">
    <${Table} label="${said.title} ${said.byModel}" columns=${said.models} numbers=${[1, 2, 3, 4, 5, 6, 7]} none=${said.empty}>
      ${found.models.map((line) => html`<tr key=${line.model}><th scope="row">${line.model}</th>
        ${PRIORITIES.map((priority) => html`<td class="number">${line.waiting[priority] ?? 0}</td>`)}
        <td class="number">${line.parked}</td><td class="number">${line.blocked}</td><td class="number">${line.running}</td>
        <td class="number">${line.oldest_at ? about(now - line.oldest_at) : '–'}</td></tr>`)}
    </${Table}>
    <${Table} label="${said.title} ${said.byAccount}" columns=${said.accounts} numbers=${[1, 2, 3, 4]} none=${said.empty}>
      ${found.accounts.map((load) => html`<tr key=${load.account}><th scope="row">${load.account}</th>
        <td class="number">${load.waiting}</td><td class="number">${load.parked}</td><td class="number">${load.running}</td>
        <td class="number">${load.concurrent ?? said.any}</td></tr>`)}
    </${Table}>
  </div></${Part}>`;
}
