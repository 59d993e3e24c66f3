// TakeCard: one take while it is made and after: its words, its growing waveform, playing, progress, cancelling.

import { html } from 'htm/preact';
import { useMemo, useState } from 'preact/hooks';

import { same } from '../../lib/again.js';
import { peaksOf } from '../../lib/peaks.js';
import { useFrames, useSeconds } from '../../lib/ticking.js';
import { clock } from '../../lib/time.js';
import { sentenceOf } from '../../state/faults.js';
import { send } from '../../state/form.js';
import { words } from '../../words.js';
import { Wave } from '../wave.js';
import { Parts } from './parts.js';
import { PlayTake } from './play_take.js';
import { durationOf, leftOf, newsOf, stageOf } from './stage.js';

/** @typedef {import('../../state/take.js').Take} Take */

/** @param {{ take: Take }} props */
function Player({ take }) {
  const { sound } = take;
  useFrames(sound.playing.value);
  void sound.moves.value;
  const durationS = durationOf(take);
  const { value: frames } = sound.frames;
  const peaks = useMemo(() => peaksOf(sound.samples, frames, durationS * sound.sampleRate), [frames, durationS]);
  const picture = { peaks, heard: sound.positionS / durationS, made: frames / sound.sampleRate / durationS };
  return html`
    <${Wave}
      class="large"
      picture=${picture}
      label=${words.now.wave}
      positionS=${sound.positionS}
      durationS=${durationS}
      onSeek=${(/** @type {number} */ seconds) => sound.seek(seconds)}
    />
    <div class="transport">
      <${PlayTake} take=${take} />
      <span class="figures">${clock(sound.positionS)} / ${clock(durationS)}</span>
    </div>
  `;
}

/** @param {{ take: Take }} props */
export function TakeCard({ take }) {
  const [fault, setFault] = useState('');
  useSeconds(!take.ended);
  const state = take.state.value;
  const again = /** @type {Record<string, string>} */ (words.now.again)[take.again.value];
  const retry = () => {
    const { stream, cache, ...request } = take.request ?? same(state);
    setFault('');
    send({ ...request, seed: state.seed }, 1).catch((error) => setFault(sentenceOf(error)));
  };
  return html`<article class="take">
    <div class="line">
      <p class="prompt">${state.prompt || words.pieces.untitled}</p>
      <p class="small soft figures">${words.seconds(Math.round(durationOf(take)))} · ${state.model} · ${words.pieces.seed} ${state.seed}</p>
    </div>
    ${state.melody_seconds && html`<p class="small soft figures">${words.melody.heard(state.melody_seconds)}</p>`}
    ${state.status !== 'failed' && state.status !== 'cancelled' && html`<${Player} take=${take} />`}
    <div class="line">
      <p class="stage figures">${stageOf(take)}</p>
      <p class="unseen" role="status">${newsOf(take)}</p>
      <p class="left figures soft">${leftOf(take)}</p>
      ${!take.ended && html`<button type="button" class="quiet" onClick=${() => take.cancel().catch(() => {})}>${words.now.cancel}</button>`}
      ${state.status === 'failed' && html`<button type="button" onClick=${retry}>${words.now.retry}</button>`}
    </div>
    ${!take.ended && html`<progress max="100" value=${state.progress} aria-label=${stageOf(take)}></progress>`}
    ${state.parts && html`<${Parts} take=${take} />`}
    <p class="fault" role="alert">${fault || take.fault.value}</p>
    ${again && html`<p class="notice">${again}</p>`}
    ${take.cutOff.value && !take.ended && html`<p class="notice">${words.now.cutOff}</p>`}
  </article>`;
}
