// Retry: runs a failed task again, as a copy. A part of a piece has no such button: alone it would be something else.

import { html } from 'htm/preact';

import { words } from '../../admin_words.js';
import { act } from '../../state/admin.js';
import { Action } from './action.js';

/** @param {{ task: import('musicgen-api').AdminTask }} props */
export function Retry({ task }) {
  const { tasks: said } = words;
  if (task.status !== 'failed' || task.part_of) return null;
  return html`<${Action} label=${said.retry} question=${said.reallyRetry} about=${task.prompt}
    run=${() => act(`${said.retry} ${task.task_id}`, (by) => by.retry(task.task_id))} />`;
}
