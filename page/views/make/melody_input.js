// MelodyInput: the melody that the music is to follow: hummed, a file, or an earlier piece.

import { html } from 'htm/preact';
import { useEffect, useRef } from 'preact/hooks';

import { melody } from '../../state/melodies.js';
import { over } from '../../state/melody_drop.js';
import {
  LONGEST_S, beat, cancel, draft, fault, level, listen, phase, record, recordedS, remark, remove, sound, stop, take,
} from '../../state/melody_editor.js';
import { clock } from '../../lib/time.js';
import { words } from '../../words.js';
import { Fault } from './field.js';
import { TrimWave } from './trim_wave.js';

/** @param {{ currentTarget: HTMLInputElement }} event */
function choose({ currentTarget }) {
  const file = currentTarget.files?.[0];
  currentTarget.value = ''; // else the same file, chosen again, would be no change
  if (file) take(file, file.name);
}

function Sources() {
  return html`<div class="sources">
    <button type="button" onClick=${record}>${words.melody.record}</button>
    <label class="file">
      <input type="file" accept="audio/*,video/webm" onChange=${choose} />
      <span>${words.melody.file}</span>
    </label>
  </div>`;
}

/** @param {KeyboardEvent} event */
function escape(event) {
  if (event.key === 'Escape') cancel();
}

function Recording() {
  const frame = useRef(/** @type {HTMLDivElement | null} */ (null));
  useEffect(() => {
    frame.current?.focus(); // the button that began it is gone
    addEventListener('keydown', escape);
    return () => removeEventListener('keydown', escape);
  }, []);
  const now = phase.value;
  const said = now === 'asking' ? words.melody.asking : now === 'count' ? words.melody.countIn(beat.value) : words.melody.recording(clock(recordedS.value), LONGEST_S);
  return html`<div class="recording" ref=${frame} tabindex="-1">
    <p class="figures" role="status">${said}</p>
    ${now === 'recording' && html`<meter min="0" max="1" value=${level.value} aria-label=${words.melody.level}></meter>`}
    <div class="line">
      ${now === 'recording' && html`<button type="button" class="main" onClick=${stop}>${words.melody.stop}</button>`}
      <button type="button" class="quiet" onClick=${cancel}>${words.melody.cancel}</button>
    </div>
  </div>`;
}

function Given() {
  const now = draft.value;
  return html`<div class="given">
    <p>${melody.value?.name} ${now && html`<span class="soft figures">${words.melody.seconds(now.toS - now.fromS)}</span>`}</p>
    ${now && html`<${TrimWave} now=${now} />`}
    <div class="line">
      ${now && html`<button type="button" onClick=${listen}>${sound.playing.value ? words.melody.pause : words.melody.listen}</button>`}
      <button type="button" class="quiet" onClick=${remove}>${words.form.removeMelody}</button>
    </div>
  </div>`;
}

export function MelodyInput() {
  const busy = phase.value !== 'idle';
  return html`<div class="melody" role="group" aria-labelledby="melody-title" data-over=${over.value}>
    <p><span id="melody-title">${words.form.melody}</span> <span class="soft small" role="status">${remark.value || words.melody.hint}</span></p>
    ${busy ? html`<${Recording} />` : melody.value ? html`<${Given} />` : html`<${Sources} />`}
    <p class="fault" role="alert">${fault.value}</p>
    <${Fault} name="melody" />
  </div>`;
}
