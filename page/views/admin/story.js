// Story: all that happened to one task, in the order of time.

import { html } from 'htm/preact';

import { words } from '../../admin_words.js';
import { openStory, openTask, story } from '../../state/admin.js';
import { Retry } from './retry.js';
import { Table } from './table.js';
import { lasted, moment } from './times.js';

/** Opens a task to its story, and closes it.
 *
 * @param {{ task: import('musicgen-api').AdminTask }} props
 */
export function StoryButton({ task }) {
  const open = openTask.value === task.task_id;
  return html`<button type="button" class="dense prompt" aria-expanded=${open} title=${task.prompt}
    onClick=${() => openStory(open ? '' : task.task_id)}>${task.prompt || task.task_id}</button>`;
}

export function Story() {
  const found = story.value;
  const { tasks: said } = words;
  if (!found) return html`<p class="small soft">${said.noStory}</p>`;
  const { task, story: entries, attempts } = found;
  const tries = attempts.map((each) => `${each.number} ${each.worker} ${each.outcome ?? ''}`).join('; ');
  const others = [[said.retryOf, task.retry_of], [said.retriedAs, task.retried_as]].filter(([, id]) => id);
  const about = [[said.source, task.source], [said.key, task.key_id], [said.attempts, tries]]
    .map(([name, value]) => `· ${name} ${value || words.none}`).join(' ');
  return html`<div class="story">
    <p class="small"><code>${task.task_id}</code> ${about}${others.map(([name, id]) => html` · ${name} <code>${id}</code>`)} <${Retry} task=${task} /></p>
    ${task.error && html`<p class="fault-text small">${task.error_code}: ${task.error}</p>`}
    <${Table} label=${said.storyOf(task.task_id)} columns=${said.storyColumns} numbers=${[1, 2]}>
      ${entries.map((entry, at) => html`<tr key=${at}>
        <td>${moment(entry.at)}</td>
        <td class="number">${at ? `+${lasted(entry.at - entries[at - 1].at)}` : ''}</td>
        <td class="number">${entry.attempt || ''}</td>
        <td>${said.kinds[entry.kind]}${entry.what}</td><td class="wrap">${entry.detail}</td></tr>`)}
    </${Table}>
  </div>`;
}
