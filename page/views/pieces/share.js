// Share: links by which anybody can hear the piece, each as long as chosen.

import { html } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';

import { ask } from '../../state/session.js';
import { words } from '../../words.js';
import { CopyButton } from './copy_button.js';

/** @typedef {import('musicgen-api').Share} ShareLink */
/** @typedef {import('musicgen-api').TaskState} TaskState */

const text = words.share;
const HOUR_S = 3600;
const LIFETIMES = [HOUR_S, 24 * HOUR_S, 7 * 24 * HOUR_S, 30 * 24 * HOUR_S];

/** @param {{ link: ShareLink, onWithdraw: (link: ShareLink) => void }} props */
function Link({ link, onWithdraw }) {
  const until = new Date(1000 * link.expires_at).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
  return html`<li class="line">
    <input type="text" class="grows" readonly value=${link.url} aria-label=${text.link} onFocus=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => event.currentTarget.select()} />
    <${CopyButton} content=${link.url} />
    <button type="button" class="quiet" onClick=${() => onWithdraw(link)}>${text.withdraw}</button>
    <p class="small soft">${text.until(until)}</p>
  </li>`;
}

/** @param {{ piece: TaskState }} props */
export function Share({ piece }) {
  const [lifetimeS, setLifetime] = useState(LIFETIMES[2]);
  const [links, setLinks] = useState(/** @type {ShareLink[]} */ ([]));
  const [fault, setFault] = useState('');
  /** @template T @param {(task: import('musicgen-api').Task) => Promise<T>} call @param {(answer: T) => void} use */
  const run = (call, use) =>
    ask((client) => call(client.task(piece.task_id))).then(
      (answer) => {
        setFault('');
        use(answer);
      },
      (error) => setFault(error.message),
    );
  useEffect(() => void run((task) => task.shares(), setLinks), [piece.task_id]);
  const make = () => run((task) => task.share({ expiresInS: lifetimeS }), (link) => setLinks([link, ...links]));
  /** @param {ShareLink} gone */
  const withdraw = (gone) =>
    run((task) => task.withdraw(gone), () => setLinks(links.filter((link) => link.share_id !== gone.share_id)));
  const id = `share-${piece.task_id}`;
  return html`<div class="share">
    <div class="line">
      <label for=${id}>${text.lifetime}</label>
      <select id=${id} value=${lifetimeS} onChange=${(/** @type {{ currentTarget: HTMLSelectElement }} */ event) => setLifetime(Number(event.currentTarget.value))}>
        ${LIFETIMES.map((seconds, at) => html`<option key=${seconds} value=${seconds}>${text.lifetimes[at]}</option>`)}
      </select>
      <button type="button" onClick=${make}>${text.make}</button>
    </div>
    <p class="small soft">${text.hint}</p>
    <ul class="list">${links.map((link) => html`<${Link} key=${link.share_id} link=${link} onWithdraw=${withdraw} />`)}</ul>
    <p class="fault" role="alert">${fault}</p>
  </div>`;
}
