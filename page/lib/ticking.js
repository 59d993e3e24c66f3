// A component that shows a time goes on being drawn while that time goes by.

import { useEffect, useState } from 'preact/hooks';

const STILL = matchMedia('(prefers-reduced-motion: reduce)');
const SECOND_MS = 1000;

/** Draws the component again with each picture of the screen, or each second where motion is not wanted.
 *
 * @param {boolean} runs
 */
export function useFrames(runs) {
  const [, again] = useState(0);
  useEffect(() => {
    if (!runs) return undefined;
    if (STILL.matches) return every(SECOND_MS, () => again((count) => count + 1));
    let frame = requestAnimationFrame(function draw() {
      again((count) => count + 1);
      frame = requestAnimationFrame(draw);
    });
    return () => cancelAnimationFrame(frame);
  }, [runs]);
}

/** Draws the component again each second. @param {boolean} runs */
export function useSeconds(runs) {
  const [, again] = useState(0);
  useEffect(() => (runs ? every(SECOND_MS, () => again((count) => count + 1)) : undefined), [runs]);
}

/** @param {number} ms @param {() => void} run */
function every(ms, run) {
  const timer = setInterval(run, ms);
  return () => clearInterval(timer);
}
