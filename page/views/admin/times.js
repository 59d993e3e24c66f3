// Times as an operator reads them: to the second, in the browser's zone.

/** @param {number} at UNIX seconds @param {Date} [today] */
export function moment(at, today = new Date()) {
  const then = new Date(at * 1000);
  const time = then.toLocaleTimeString(undefined, { hour12: false });
  return then.toDateString() === today.toDateString() ? time : `${then.toLocaleDateString()} ${time}`;
}

/** @param {number | null} seconds */
export function lasted(seconds) {
  return seconds === null ? '–' : `${seconds < 100 ? seconds.toFixed(1) : Math.round(seconds)} s`;
}
