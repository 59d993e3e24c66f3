// Parts: how far each instrument of a piece is, while it is made.

import { html } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';

import { client } from '../../state/session.js';
import { visible } from '../../state/visible.js';
import { words } from '../../words.js';

/** @typedef {import('../../state/take.js').Take} Take */

const EVERY_MS = 1000;

/** @param {{ take: Take }} props */
export function Parts({ take }) {
  const [parts, setParts] = useState(take.state.value.parts ?? []);
  const over = take.ended;
  useEffect(() => {
    const look = () => client.value.task(take.id).poll().then((state) => setParts(state.parts ?? []), () => {});
    if (over) return undefined;
    const timer = setInterval(() => visible.value && look(), EVERY_MS);
    return () => clearInterval(timer);
  }, [take, over]);
  if (over || !parts.length) return null;
  return html`<ul class="parts-made">
    ${parts.map(
      ({ name, status, percent = 0 }) => html`<li key=${name} class="line small">
        <span class="part-label">${name}</span>
        <progress max="100" value=${status === 'completed' ? 100 : percent} aria-label=${words.instruments.progressOf(name)}></progress>
      </li>`,
    )}
  </ul>`;
}
