// Wave: a sound as bars, those that were heard in the accent. As a slider it also seeks, by pointer and by arrow keys, and
// marks a part by dragging.

import { html } from 'htm/preact';
import { useEffect, useRef } from 'preact/hooks';

import { clock } from '../lib/time.js';
import { words } from '../words.js';

/** @typedef {{ peaks: number[], heard: number, made?: number }} Picture from 0 to 1: what was heard, what is made */

const STEP_S = 1;
const GAP = 0.35; // of a bar's room
const BAND = 0.2; // how opaque what is looped is marked
const DRAGGED = 6; // pixels; less is a press

/** @typedef {import('../lib/loop.js').Region} Region */

/** @param {HTMLCanvasElement} canvas @param {Picture} picture @param {[number, number] | null} marked from 0 to 1 */
function draw(canvas, { peaks, heard, made = 1 }, marked) {
  const scale = devicePixelRatio || 1;
  const { clientWidth, clientHeight } = canvas;
  canvas.width = clientWidth * scale;
  canvas.height = clientHeight * scale;
  const brush = canvas.getContext('2d');
  if (!brush) return;
  const style = getComputedStyle(canvas);
  if (marked) {
    brush.fillStyle = style.caretColor;
    brush.globalAlpha = BAND;
    brush.fillRect(marked[0] * canvas.width, 0, (marked[1] - marked[0]) * canvas.width, canvas.height);
  }
  const room = canvas.width / peaks.length;
  const width = Math.max(1, room * (1 - GAP));
  peaks.forEach((peak, bar) => {
    const at = (bar + 0.5) / peaks.length;
    const height = Math.max(2 * scale, peak * canvas.height);
    brush.fillStyle = at <= heard ? style.caretColor : style.color; // the stylesheet's
    brush.globalAlpha = at <= made ? 1 : 0.35;
    brush.fillRect(bar * room, (canvas.height - height) / 2, width, height);
  });
}

/** What a pointer does: pressing seeks, and dragging marks where that is wanted.
 *
 * @param {number} durationS
 * @param {(seconds: number) => void} onSeek
 * @param {((oneS: number, otherS: number) => void) | undefined} onMark
 */
function usePointer(durationS, onSeek, onMark) {
  const began = useRef(/** @type {number | null} */ (null));
  /** @param {PointerEvent} event */
  const seconds = ({ currentTarget, clientX }) => {
    const { left, width } = /** @type {HTMLElement} */ (currentTarget).getBoundingClientRect();
    return Math.min(1, Math.max(0, (clientX - left) / width)) * durationS;
  };
  return {
    onPointerDown: (/** @type {PointerEvent} */ event) => {
      began.current = event.clientX;
      if (onMark) /** @type {HTMLElement} */ (event.currentTarget).setPointerCapture(event.pointerId);
      onSeek(seconds(event));
    },
    onPointerMove: (/** @type {PointerEvent} */ event) => {
      const { current: from } = began;
      if (from === null || Math.abs(event.clientX - from) < DRAGGED) return;
      const { currentTarget } = event;
      onMark?.(seconds(/** @type {any} */ ({ currentTarget, clientX: from })), seconds(event));
    },
    onPointerUp: () => (began.current = null),
    onPointerCancel: () => (began.current = null),
  };
}

/** @param {{ picture: Picture, label: string, positionS: number, durationS: number, class?: string, loop?: Region | null,
 *   onSeek?: (seconds: number) => void, onMark?: (oneS: number, otherS: number) => void }} props */
export function Wave({ picture, label, positionS, durationS, loop = null, onSeek, onMark, class: name = '' }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const marked = loop && /** @type {[number, number]} */ ([loop.fromS / durationS, Math.min(1, loop.toS / durationS)]);
  const pointer = usePointer(durationS, onSeek ?? (() => {}), onMark);
  useEffect(() => {
    if (canvas.current) draw(canvas.current, picture, marked);
  });
  useEffect(() => {
    const again = new ResizeObserver(() => canvas.current && draw(canvas.current, picture, marked));
    if (canvas.current) again.observe(canvas.current);
    return () => again.disconnect();
  }, [picture]);
  if (!onSeek) return html`<canvas ref=${canvas} class="wave ${name}" aria-hidden="true"></canvas>`;
  /** @param {KeyboardEvent} event */
  const press = (event) => {
    const step = { ArrowLeft: -STEP_S, ArrowRight: STEP_S, Home: -durationS, End: durationS }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    onSeek(Math.min(durationS, Math.max(0, positionS + step)));
  };
  return html`<canvas
    ref=${canvas}
    class="wave ${name}"
    role="slider"
    tabindex="0"
    aria-label=${label}
    aria-valuemin="0"
    aria-valuemax=${Math.round(durationS)}
    aria-valuenow=${Math.round(positionS)}
    aria-valuetext=${words.now.position(clock(positionS), clock(durationS))}
    ...${pointer}
    onKeyDown=${press}
  ></canvas>`;
}
