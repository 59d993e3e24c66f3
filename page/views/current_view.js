// CurrentView: the view that the address names, once it is loaded.

import { html } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';

import { route } from '../state/route.js';
import { words } from '../words.js';
import { VIEWS } from './views.js';

/** @typedef {import('./views.js').Component} Component */

/** The view of that name, or the first one. */
export function currentView() {
  return VIEWS.find((view) => view.name === route.value) ?? VIEWS[0];
}

export function CurrentView() {
  const view = currentView();
  const [loaded, setLoaded] = useState(/** @type {{ name: string, component: Component } | null} */ (null));
  const [failed, setFailed] = useState('');
  useEffect(() => {
    setFailed('');
    view.load?.().then(
      (component) => setLoaded({ name: view.name, component }),
      () => setFailed(view.name),
    );
  }, [view.name]);
  const component = view.component ?? (loaded?.name === view.name ? loaded.component : null);
  if (failed === view.name) return html`<p class="fault" role="alert">${words.notLoaded}</p>`;
  return component ? html`<${component} />` : html`<p class="soft" role="status">${words.loading}</p>`;
}
