// TrimWave: a melody's waveform, of which a part is chosen by dragging, or by the two sliders below it.

import { html } from 'htm/preact';
import { useEffect, useMemo, useRef } from 'preact/hooks';

import { peaksOf } from '../../lib/peaks.js';
import { draft, settle, trim } from '../../state/melody_editor.js';
import { words } from '../../words.js';

/** @typedef {import('../../state/melody_editor.js').Draft} Draft */

const STEP_S = 0.1;

/** @param {HTMLCanvasElement} canvas @param {number[]} peaks @param {number} from @param {number} to of the whole, 0 to 1 */
function draw(canvas, peaks, from, to) {
  const scale = devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * scale;
  canvas.height = canvas.clientHeight * scale;
  const brush = canvas.getContext('2d');
  if (!brush) return;
  const { color, caretColor } = getComputedStyle(canvas);
  const room = canvas.width / peaks.length;
  peaks.forEach((peak, bar) => {
    const at = (bar + 0.5) / peaks.length;
    const height = Math.max(2 * scale, peak * canvas.height);
    brush.fillStyle = at >= from && at <= to ? caretColor : color;
    brush.fillRect(bar * room, (canvas.height - height) / 2, Math.max(1, room * 0.65), height);
  });
}

/** @param {{ now: Draft }} props */
export function TrimWave({ now: { buffer, fromS, toS } }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const began = useRef(/** @type {number | null} */ (null));
  const { duration } = buffer;
  const peaks = useMemo(() => peaksOf(buffer.getChannelData(0), buffer.length, buffer.length), [buffer]);
  useEffect(() => {
    if (canvas.current) draw(canvas.current, peaks, fromS / duration, toS / duration);
  });
  /** @param {PointerEvent} event */
  const at = (event) => {
    const { left, width } = /** @type {HTMLElement} */ (event.currentTarget).getBoundingClientRect();
    return Math.min(duration, Math.max(0, ((event.clientX - left) / width) * duration));
  };
  const down = (/** @type {PointerEvent} */ event) => {
    /** @type {HTMLElement} */ (event.currentTarget).setPointerCapture(event.pointerId);
    began.current = at(event);
  };
  const move = (/** @type {PointerEvent} */ event) => began.current !== null && trim(began.current, at(event));
  const up = () => {
    began.current = null;
    settle();
  };
  const slider = (/** @type {string} */ label, /** @type {number} */ value, /** @type {() => number} */ now, /** @type {(seconds: number) => void} */ set) => html`<input
    type="range"
    min="0"
    max=${duration}
    step=${STEP_S}
    value=${value}
    aria-label=${label}
    aria-valuetext=${words.melody.seconds(value)}
    onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => {
      set(Number(event.currentTarget.value));
      event.currentTarget.value = String(now()); // which stops before the slider does
    }}
    onChange=${settle}
  />`;
  return html`<div class="trim">
    <canvas ref=${canvas} class="wave large" aria-hidden="true" onPointerDown=${down} onPointerMove=${move} onPointerUp=${up}></canvas>
    <div class="line">
      ${slider(words.melody.from, fromS, () => draft.peek()?.fromS ?? 0, (seconds) => trim(toS, Math.min(seconds, toS - STEP_S)))}
      ${slider(words.melody.to, toS, () => draft.peek()?.toS ?? 0, (seconds) => trim(fromS, Math.max(seconds, fromS)))}
    </div>
  </div>`;
}
