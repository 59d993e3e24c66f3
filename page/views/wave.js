// Wave: a sound as bars, those that were heard in the accent. As a slider it also seeks, by pointer and by arrow keys.

import { html } from 'htm/preact';
import { useEffect, useRef } from 'preact/hooks';

import { clock } from '../lib/time.js';
import { words } from '../words.js';

/** @typedef {{ peaks: number[], heard: number, made?: number }} Picture from 0 to 1: what was heard, what is made */

const STEP_S = 1;
const GAP = 0.35; // of a bar's room

/** @param {HTMLCanvasElement} canvas @param {Picture} picture */
function draw(canvas, { peaks, heard, made = 1 }) {
  const scale = devicePixelRatio || 1;
  const { clientWidth, clientHeight } = canvas;
  canvas.width = clientWidth * scale;
  canvas.height = clientHeight * scale;
  const brush = canvas.getContext('2d');
  if (!brush) return;
  const style = getComputedStyle(canvas);
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

/** @param {{ picture: Picture, label: string, positionS: number, durationS: number, onSeek?: (seconds: number) => void, class?: string }} props */
export function Wave({ picture, label, positionS, durationS, onSeek, class: name = '' }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  useEffect(() => {
    if (canvas.current) draw(canvas.current, picture);
  });
  useEffect(() => {
    const again = new ResizeObserver(() => canvas.current && draw(canvas.current, picture));
    if (canvas.current) again.observe(canvas.current);
    return () => again.disconnect();
  }, [picture]);
  if (!onSeek) return html`<canvas ref=${canvas} class="wave ${name}" aria-hidden="true"></canvas>`;
  /** @param {PointerEvent} event */
  const point = (event) => {
    const { left, width } = /** @type {HTMLElement} */ (event.currentTarget).getBoundingClientRect();
    onSeek(((event.clientX - left) / width) * durationS);
  };
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
    onPointerDown=${point}
    onKeyDown=${press}
  ></canvas>`;
}
