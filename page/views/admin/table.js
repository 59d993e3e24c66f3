// Table: a dense table that a narrow screen scrolls sideways, under a title that may carry a number.

import { html } from 'htm/preact';

/** @param {{ id?: string, title: string, count?: number, bad?: boolean, children?: unknown }} props */
export function Part({ id, title, count, bad = false, children }) {
  const key = id ?? title.toLowerCase().replaceAll(' ', '-');
  return html`<section id=${key} aria-labelledby="${key}-title" tabindex="-1">
    <h2 id="${key}-title">${title}${count !== undefined &&
    html` <span class=${bad ? 'fault-text' : 'soft'}>${count}</span>`}</h2>
    ${children}
  </section>`;
}

/** @param {{ label: string, columns: string[], none?: string, numbers?: number[], children: unknown[] }} props */
export function Table({ label, columns, none = '', numbers = [], children }) {
  const rows = [children].flat(2).filter(Boolean);
  if (!rows.length) return html`<p class="small soft">${none}</p>`;
  return html`<div class="scroll" role="group" aria-label=${label} tabindex="0"><table>
    <thead><tr>${columns.map((name, at) => html`<th scope="col" class=${numbers.includes(at) ? 'number' : ''}>${name}</th>`)}</tr></thead>
    <tbody>${rows}</tbody>
  </table></div>`;
}
