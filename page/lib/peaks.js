// The picture of a sound: the loudest sample of each of its slices.

export const BARS = 160;

/** Peaks from 0 to 1 of `bars` slices of `total` frames; slices that are not made yet are 0.
 *
 * @param {Float32Array} samples
 * @param {number} frames how many of the samples are there
 * @param {number} total how many there will be
 * @param {number} bars
 */
export function peaksOf(samples, frames, total, bars = BARS) {
  const peaks = new Array(bars).fill(0);
  const size = Math.max(1, Math.max(total, frames) / bars);
  for (let bar = 0; bar < bars; bar += 1) {
    const end = Math.min(frames, Math.floor((bar + 1) * size));
    const from = Math.floor(bar * size);
    const step = Math.max(1, Math.floor((end - from) / 200)); // enough for a picture
    for (let at = from; at < end; at += step) peaks[bar] = Math.max(peaks[bar], Math.abs(samples[at]));
  }
  return peaks;
}

/** As short numbers, which many are kept of. @param {number[]} peaks */
export function shortened(peaks) {
  return peaks.map((peak) => Math.round(peak * 100) / 100);
}
