// Which control has the keys.

/** Whether somebody types there, or chooses by letters. @param {EventTarget | null} target */
export function isTyping(target) {
  return target instanceof Element && target.matches('input:not([type="range"]), textarea, select');
}

/** Whether arrow keys move it. @param {EventTarget | null} target */
export function isSlider(target) {
  return target instanceof Element && target.matches('input[type="range"], [role="slider"]');
}
