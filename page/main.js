// The entry: renders the page into its document.

import { html } from 'htm/preact';
import { render } from 'preact';

import { App } from './views/app.js';

const root = document.getElementById('page');
if (root) render(html`<${App} />`, root);
