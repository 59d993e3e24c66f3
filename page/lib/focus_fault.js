// focusFault: the keyboard goes to what is to be mended first.

/** Once the faults are drawn. @param {HTMLFormElement} form */
export function focusFault(form) {
  requestAnimationFrame(() => {
    const first = form.querySelector('[aria-invalid="true"]');
    if (first instanceof HTMLElement) first.focus();
  });
}
