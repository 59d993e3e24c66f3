// AuditLog: who did what, and what became of it.

import { html } from 'htm/preact';

import { words } from '../../admin_words.js';
import { audit, auditNext, olderAudit } from '../../state/admin.js';
import { Part, Table } from './table.js';
import { moment } from './times.js';

export function AuditLog() {
  const entries = audit.value;
  const { audit: said } = words;
  if (!entries) return null;
  return html`<${Part} id="audit" title=${said.title}>
    <${Table} label=${said.title} columns=${said.columns} none=${said.none}>
      ${entries.map((entry) => html`<tr key=${entry.id}>
        <td>${moment(entry.at)}</td><td>${entry.actor}${entry.key_id && html` <code>${entry.key_id}</code>`}</td>
        <th scope="row">${entry.action}</th><td class="id">${entry.target}</td>
        <td>${entry.outcome === 'done' ? entry.outcome : html`<strong>${entry.outcome}</strong>`}</td><td class="wrap">${entry.detail}</td></tr>`)}
    </${Table}>
    ${auditNext.value && html`<button type="button" onClick=${olderAudit}>${words.older}</button>`}
  </${Part}>`;
}
