// Workers: who is alive, what each does, and whether it claims.

import { html } from 'htm/preact';

import { words } from '../../admin_words.js';
import { act, workers } from '../../state/admin.js';
import { Action } from './action.js';
import { Part, Table } from './table.js';

/** @typedef {import('musicgen-api').AdminWorker} Worker */

/** @param {{ worker: Worker }} props */
function Row({ worker }) {
  const { workers: said } = words;
  const name = worker.worker;
  const leases = Object.values(worker.running);
  const state = worker.fault ? said.fault : worker.drained ? said.drained : said.ready;
  return html`<tr>
    <th scope="row">${name}</th>
    <td class=${worker.fault ? 'fault-text wrap' : ''}>${state}${worker.fault && html`<br /><span class="small">${worker.fault}. ${said.restart}</span>`}</td>
    <td>${worker.model}</td>
    <td class=${worker.runner_reason ? 'wrap' : ''}>${[worker.device, worker.runner].filter(Boolean).join(', ')}${worker.runner_reason && html`<br /><span class="small">${worker.runner_reason}</span>`}</td>
    <td>${worker.precision}</td>
    <td class="number">${said.slots(leases.length, worker.slots)}</td>
    <td class="number">${worker.real_time_factor ?? '–'}</td>
    <td class="number">${leases.length ? `${Math.max(...leases).toFixed(1)} s` : '–'}</td>
    <td class="number">${said.ago(worker.seen_s_ago)}</td>
    <td class="act">${worker.drained
      ? html`<${Action} key="undrain" label=${said.undrain} question=${said.reallyUndrain} about=${name}
          run=${() => act(`${said.undrain} ${name}`, (by) => by.undrain(name))} />`
      : html`<${Action} key="drain" label=${said.drain} question=${said.reallyDrain} about=${name}
          run=${() => act(`${said.drain} ${name}`, (by) => by.drain(name))} />`}</td>
  </tr>`;
}

export function Workers() {
  const all = workers.value;
  const { workers: said } = words;
  if (!all) return null;
  return html`<${Part} title=${said.title} count=${all.length} bad=${!all.length}>
    ${!all.length && html`<p class="fault-text">${said.none} <code>${said.start}</code></p>`}
    <${Table} label=${said.title} columns=${said.columns} numbers=${[5, 6, 7, 8]}>
      ${all.map((worker) => html`<${Row} key=${worker.worker} worker=${worker} />`)}
    </${Table}>
  </${Part}>`;
}
