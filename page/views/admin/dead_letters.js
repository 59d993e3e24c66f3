// DeadLetters: tasks that used up their attempts because their workers died.

import { html } from 'htm/preact';

import { words } from '../../admin_words.js';
import { act, deadLetters } from '../../state/admin.js';
import { Action } from './action.js';
import { StoryButton } from './story.js';
import { Part, Table } from './table.js';
import { moment } from './times.js';

export function DeadLetters() {
  const all = deadLetters.value;
  const { dead: said } = words;
  if (!all) return null;
  return html`<${Part} title=${said.title} count=${all.length} bad=${all.length > 0}>
    <${Table} label=${said.title} columns=${said.columns} numbers=${[4]} none=${said.none}>
      ${all.map(({ given_up_at: at, task }) => html`<tr key=${task.task_id}>
        <td>${moment(at)}</td><th scope="row"><${StoryButton} task=${task} /></th>
        <td>${task.model}</td><td>${task.account}</td><td class="number fault-text">${task.attempts}</td>
        <td class="act actions">
          <${Action} label=${said.requeue} question=${said.reallyRequeue} about=${task.prompt}
            run=${() => act(`${said.requeue} ${task.task_id}`, (by) => by.requeue(task.task_id))} />
          <${Action} label=${said.drop} question=${said.reallyDrop} about=${task.prompt}
            run=${() => act(`${said.drop} ${task.task_id}`, (by) => by.drop(task.task_id))} />
        </td></tr>`)}
    </${Table}>
  </${Part}>`;
}
