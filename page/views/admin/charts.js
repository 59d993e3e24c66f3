// Charts: the last hour, a small line beside each number that it explains.

import { html } from 'htm/preact';

import { words } from '../../admin_words.js';
import { points } from '../../state/admin.js';
import { Part } from './table.js';

/** @typedef {import('musicgen-api').MinutePoint} Point */

const [WIDTH, HEIGHT] = [240, 40];
const LATELY = 5; // minutes

/** @param {(number | null)[]} values @returns {string[]} each line's points; a minute without a value is a gap */
export function linesOf(values) {
  const most = Math.max(1e-9, ...values.map((value) => value ?? 0));
  const step = WIDTH / Math.max(1, values.length - 1);
  /** @type {string[][]} */
  const lines = [[]];
  values.forEach((value, at) => {
    if (value === null) lines.push([]);
    else lines.at(-1)?.push(`${(at * step).toFixed(1)},${(HEIGHT - 2 - (value / most) * (HEIGHT - 4)).toFixed(1)}`);
  });
  return lines.filter((line) => line.length).map((line) => (line.length > 1 ? line : [line[0], line[0]]).join(' '));
}

/** @param {{ name: string, now: string, unit: string, values: (number | null)[] }} props */
function Chart({ name, now, unit, values }) {
  const known = /** @type {number[]} */ (values.filter((value) => value !== null));
  const [least, most] = known.length ? [Math.min(...known), Math.max(...known)] : [0, 0];
  const described = words.charts.describe(name, plain(least), plain(most));
  return html`<div class="chart">
    <h3>${name}</h3>
    <p><strong class="figures">${now}</strong> <span class="small soft">${unit}</span></p>
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label=${described} preserveAspectRatio="none">
      <line x1="0" x2=${WIDTH} y1=${HEIGHT - 1} y2=${HEIGHT - 1} class="base" />
      ${linesOf(values).map((line) => html`<polyline points=${line} />`)}
    </svg>
    <p class="small soft figures span"><span>${words.charts.span}</span><span>${words.charts.most(plain(most))}</span></p>
  </div>`;
}

/** @param {number} value */
function plain(value) {
  return value >= 100 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(1);
}

export function Charts() {
  const all = points.value;
  if (!all.length) return null;
  const lately = all.slice(-LATELY);
  /** @param {(point: Point) => number} value */
  const sum = (value) => lately.reduce((total, point) => total + value(point), 0);
  const lastWait = all.findLast((point) => point.wait_s !== null)?.wait_s;
  const { charts } = words;
  return html`<${Part} title=${charts.title}><div class="charts">
    <${Chart} name=${charts.queue} now=${all.at(-1)?.queue_length} unit=${charts.queueUnit} values=${all.map((point) => point.queue_length)} />
    <${Chart} name=${charts.wait} now=${lastWait === undefined || lastWait === null ? '–' : plain(lastWait)} unit=${charts.waitUnit} values=${all.map((point) => point.wait_s)} />
    <${Chart} name=${charts.made} now=${sum((point) => point.completed)} unit=${charts.madeUnit} values=${all.map((point) => point.completed)} />
    <${Chart} name=${charts.audio} now=${plain(sum((point) => point.audio_s))} unit=${charts.audioUnit} values=${all.map((point) => point.audio_s)} />
  </div></${Part}>`;
}
