// Times as people read them.

import { words } from '../words.js';

/** @param {number} seconds */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

/** @param {number} seconds */
export function about(seconds) {
  const whole = Math.max(1, Math.round(seconds));
  return whole < 90 ? words.seconds(whole) : words.minutes(Math.round(whole / 60));
}

/** Today, yesterday, or the date of a time in UNIX seconds.
 *
 * @param {number} at
 * @param {Date} [today]
 */
export function day(at, today = new Date()) {
  const then = new Date(at * 1000);
  const midnight = new Date(today.getFullYear(), today.getMonth(), today.getDate()).getTime();
  const ago = Math.ceil((midnight - then.getTime()) / 86_400_000);
  if (ago <= 0) return words.today;
  if (ago === 1) return words.yesterday;
  return then.toLocaleDateString(undefined, { day: 'numeric', month: 'long', year: 'numeric' });
}
