// Player: the growing waveform of a take, to play, to seek in and to mark a part of.

import { html } from 'htm/preact';
import { useMemo } from 'preact/hooks';

import { loopBetween } from '../../lib/loop.js';
import { peaksOf } from '../../lib/peaks.js';
import { useFrames } from '../../lib/ticking.js';
import { clock } from '../../lib/time.js';
import { words } from '../../words.js';
import { Wave } from '../wave.js';
import { PlayTake } from './play_take.js';
import { durationOf } from './stage.js';

/** @typedef {import('../../state/take.js').Take} Take */

/** How much of it is made: as far as is heard, or as the server says. @param {Take} take @param {number} durationS */
function madeOf({ sound, state }, durationS) {
  return Math.max(sound.madeS / durationS, state.value.progress / 100);
}

/** @param {{ take: Take, size: string, name?: string, children?: import('preact').ComponentChildren }} props */
export function Player({ take, size, name = '', children }) {
  const { sound } = take;
  useFrames(sound.playing.value);
  void sound.moves.value;
  const durationS = durationOf(take);
  const { value: frames } = sound.frames;
  const peaks = useMemo(() => peaksOf(sound.samples, frames, durationS * sound.sampleRate), [frames, durationS]);
  return html`
    <${Wave}
      class=${size}
      picture=${{ peaks, heard: sound.positionS / durationS, made: madeOf(take, durationS) }}
      loop=${sound.loop.value}
      label=${name ? words.now.waveOf(name) : words.now.wave}
      positionS=${sound.positionS}
      durationS=${durationS}
      onSeek=${(/** @type {number} */ seconds) => sound.seek(seconds)}
      onMark=${(/** @type {number} */ oneS, /** @type {number} */ otherS) => loopBetween(sound, oneS, otherS)}
    />
    <div class="transport">
      <${PlayTake} take=${take} name=${name} />
      <span class="figures">${clock(sound.positionS)} / ${clock(durationS)}</span>
      ${children}
    </div>
  `;
}
