// TakeCard: one take while it is made and after: its words, its growing waveform, playing, progress, cancelling.

import { html } from 'htm/preact';
import { useMemo } from 'preact/hooks';

import { peaksOf } from '../../lib/peaks.js';
import { useFrames, useSeconds } from '../../lib/ticking.js';
import { clock } from '../../lib/time.js';
import { send } from '../../state/form.js';
import { note } from '../../state/session.js';
import { loadSound } from '../../state/takes.js';
import { words } from '../../words.js';
import { Wave } from '../wave.js';
import { leftOf, stageOf } from './stage.js';

/** @typedef {import('../../state/take.js').Take} Take */

/** How long it will be. @param {Take} take */
function durationOf(take) {
  const { duration } = take.state.value;
  return Math.max(duration ?? take.request?.duration ?? 0, take.sound.madeS) || 8;
}

/** @param {Take} take */
async function toggle(take) {
  if (!take.sound.playing.value && take.ended) await loadSound(take).catch(note);
  take.sound.toggle();
}

/** @param {{ take: Take }} props */
function Player({ take }) {
  const { sound } = take;
  useFrames(sound.playing.value);
  const durationS = durationOf(take);
  const { value: frames } = sound.frames;
  const peaks = useMemo(() => peaksOf(sound.samples, frames, durationS * sound.sampleRate), [frames, durationS]);
  const picture = { peaks, heard: sound.positionS / durationS, made: frames / sound.sampleRate / durationS };
  const playing = sound.playing.value;
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
      <button type="button" class="round" aria-label=${playing ? words.now.pause : words.now.play} onClick=${() => toggle(take)}>
        ${playing ? '❚❚' : '▶'}
      </button>
      <span class="figures">${clock(sound.positionS)} / ${clock(durationS)}</span>
    </div>
  `;
}

/** @param {{ take: Take }} props */
export function TakeCard({ take }) {
  useSeconds(!take.ended);
  const state = take.state.value;
  const again = /** @type {Record<string, string>} */ (words.now.again)[take.again.value];
  const retry = () => {
    const { stream, cache, ...request } = take.request ?? { prompt: state.prompt };
    send({ ...request, seed: state.seed }, 1);
  };
  return html`<article class="take">
    <div class="line">
      <p class="prompt">${state.prompt || words.pieces.untitled}</p>
      <p class="small soft figures">${words.seconds(Math.round(durationOf(take)))} · ${state.model} · ${words.pieces.seed} ${state.seed}</p>
    </div>
    ${state.status !== 'failed' && state.status !== 'cancelled' && html`<${Player} take=${take} />`}
    <div class="line">
      <p class="stage figures" role="status">${stageOf(take)}</p>
      <p class="left figures soft">${leftOf(take)}</p>
      ${!take.ended && html`<button type="button" class="quiet" onClick=${() => take.cancel().catch(note)}>${words.now.cancel}</button>`}
      ${state.status === 'failed' && html`<button type="button" onClick=${retry}>${words.now.retry}</button>`}
    </div>
    ${!take.ended && html`<progress max="100" value=${state.progress} aria-label=${stageOf(take)}></progress>`}
    ${again && html`<p class="notice">${again}</p>`}
    ${take.cutOff.value && !take.ended && html`<p class="notice">${words.now.cutOff}</p>`}
  </article>`;
}
