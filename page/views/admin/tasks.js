// Tasks: those of all accounts, by filters; each opens to its story.

import { html } from 'htm/preact';

import { words } from '../../admin_words.js';
import { act, moreTasks, olderNext, olderTasks, openTask, taskPage } from '../../state/admin.js';
import { Action } from './action.js';
import { Retry } from './retry.js';
import { Story, StoryButton } from './story.js';
import { Part, Table } from './table.js';
import { TaskFilters } from './task_filters.js';
import { lasted, moment } from './times.js';

/** @typedef {import('musicgen-api').AdminTask} Task */

/** @param {{ task: Task }} props */
function Row({ task }) {
  const { tasks: said } = words;
  const goes = task.status === 'queued' || task.status === 'running';
  const open = openTask.value === task.task_id;
  const named = said.statuses[task.status];
  const state = task.status === 'running' ? `${named} ${Math.round(task.progress)} %` : named;
  return html`<tr>
      <td>${moment(task.created_at)}</td>
      <td class=${task.status === 'failed' ? 'fault-text' : ''}>${state}${task.error_code && html`<br /><span class="small">${task.error_code}</span>`}</td>
      <th scope="row"><${StoryButton} task=${task} /></th>
      <td>${task.model}</td><td>${task.account}</td>
      <td class="number">${lasted(task.queue_time)}</td><td class="number">${lasted(task.run_time)}</td>
      <td>${task.worker ?? ''}</td>
      <td class="act">${goes && html`<${Action} label=${said.cancel} question=${said.reallyCancel} about=${task.prompt}
        run=${() => act(`${said.cancel} ${task.task_id}`, (by) => by.cancel(task.task_id))} />`}${!task.retried_as && html`<${Retry} task=${task} />`}</td>
    </tr>
    ${open && html`<tr class="open"><td colspan=${said.columns.length}><${Story} /></td></tr>`}`;
}

export function Tasks() {
  const page = taskPage.value;
  const { tasks: said } = words;
  const first = page?.tasks ?? [];
  const known = new Set(first.map(({ task_id: id }) => id));
  const all = [...first, ...olderTasks.value.filter(({ task_id: id }) => !known.has(id))];
  const more = olderTasks.value.length ? olderNext.value : page?.next_before;
  return html`<${Part} id="tasks" title=${said.title}>
    <${TaskFilters} />
    ${page && html`<${Table} label=${said.title} columns=${said.columns} numbers=${[5, 6]} none=${said.none}>
      ${all.map((task) => html`<${Row} key=${task.task_id} task=${task} />`)}
    </${Table}>`}
    ${more && html`<button type="button" onClick=${moreTasks}>${words.older}</button>`}
  </${Part}>`;
}
