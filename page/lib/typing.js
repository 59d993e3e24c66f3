// Whether somebody types.

/** @param {EventTarget | null} target */
export function isTyping(target) {
  return target instanceof Element && target.matches('input, textarea, select, [role="slider"]');
}
