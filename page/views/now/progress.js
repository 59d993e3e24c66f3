// Progress: how far a take is, what went wrong with it, and what can be done about that.

import { html } from 'htm/preact';
import { useState } from 'preact/hooks';

import { useSeconds } from '../../lib/ticking.js';
import { sentenceOf } from '../../state/faults.js';
import { onceMore } from '../../state/more_like.js';
import { words } from '../../words.js';
import { Parts } from './parts.js';
import { leftOf, newsOf, stageOf } from './stage.js';

/** @param {{ take: import('../../state/take.js').Take, name?: string }} props `name` tells it from those beside it */
export function Progress({ take, name = '' }) {
  const [fault, setFault] = useState('');
  useSeconds(!take.ended);
  const state = take.state.value;
  const again = /** @type {Record<string, string>} */ (words.now.again)[take.again.value];
  const retry = () => {
    setFault('');
    onceMore(state).catch((error) => setFault(sentenceOf(error)));
  };
  return html`
    <div class="line">
      <p class="stage figures">${stageOf(take)}</p>
      <p class="unseen" role="status">${name && `${name}: `}${newsOf(take)}</p>
      <p class="left figures soft">${leftOf(take)}</p>
      ${!take.ended && html`<button type="button" class="quiet" onClick=${() => take.cancel().catch(() => {})}>${words.now.cancel}</button>`}
      ${state.status === 'failed' && html`<button type="button" onClick=${retry}>${words.now.retry}</button>`}
    </div>
    ${!take.ended && html`<progress max="100" value=${state.progress} aria-label=${stageOf(take)}></progress>`}
    ${state.parts && html`<${Parts} take=${take} />`}
    <p class="fault" role="alert">${fault || take.fault.value}</p>
    ${again && html`<p class="notice">${again}</p>`}
    ${take.cutOff.value && !take.ended && html`<p class="notice">${words.now.cutOff}</p>`}
  `;
}
