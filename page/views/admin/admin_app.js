// AdminApp: the operator's page, and what keeps it up to date while it is seen.

import { html } from 'htm/preact';
import { useEffect } from 'preact/hooks';

import { words } from '../../admin_words.js';
import {
  adminKey, look, lookAtRights, offline, outcome, queue, refusal, taskPage, useAdminKey, workers,
} from '../../state/admin.js';
import { whileVisible } from '../../state/visible.js';
import { AdminKeyForm } from './admin_key_form.js';
import { AuditLog } from './audit_log.js';
import { Charts } from './charts.js';
import { DeadLetters } from './dead_letters.js';
import { Keys } from './keys.js';
import { NewKey } from './new_key.js';
import { Queue } from './queue.js';
import { Tasks } from './tasks.js';
import { Workers } from './workers.js';

const LOOK_MS = 3000;
const RIGHTS_MS = 10_000;

function Top() {
  const lines = queue.value?.models ?? [];
  const queued = lines.reduce((sum, line) => sum + Object.values(line.waiting).reduce((all, one) => all + one, 0), 0);
  return html`<header class="top">
    <h1>Ostinato <span class="soft">${words.title}</span></h1>
    <a href="./" class="small">${words.music}</a>
    <p class="load small">${workers.value ? words.load(workers.value.length, queued) : ''}</p>
    ${adminKey.value &&
    html`<button type="button" class="quiet" onClick=${() => useAdminKey('')}>${words.forget}</button>`}
  </header>`;
}

function Outcome() {
  const said = outcome.value;
  return html`<div class="notices" role="status">
    ${offline.value && html`<p class="notice">${words.offline}</p>`}
    ${said && html`<p class="notice ${said.bad ? 'bad' : ''}">${said.bad ? said.text : words.done(said.text)}</p>`}
  </div>`;
}

export function AdminApp() {
  useEffect(() => {
    const ends = [whileVisible(look, LOOK_MS, adminKey), whileVisible(lookAtRights, RIGHTS_MS, adminKey)];
    return () => ends.forEach((end) => end());
  }, []);
  return html`
    ${!refusal.value && taskPage.value && html`<a class="skip" href="#tasks">${words.skip}</a>`}
    <${Top} />
    <${Outcome} />
    <main class="operator">
      <${NewKey} />
      ${refusal.value
        ? html`<${AdminKeyForm} />`
        : html`<${Charts} /><${Workers} /><${Queue} /><${DeadLetters} /><${Tasks} /><${Keys} /><${AuditLog} />`}
    </main>
  `;
}
