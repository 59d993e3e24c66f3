// Which view the address names: #/NAME. An address that names none leaves the first one.

import { signal } from '@preact/signals';

/** @returns {string} */
function named() {
  return /^#\/([a-z-]+)/.exec(location.hash)?.[1] ?? '';
}

export const route = signal(named());
addEventListener('hashchange', () => {
  route.value = named();
});
