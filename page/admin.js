// The entry of the operator's page: renders it into its document.

import { html } from 'htm/preact';
import { render } from 'preact';

import { AdminApp } from './views/admin/admin_app.js';
import { words } from './admin_words.js';

document.title = `Ostinato · ${words.title}`;
document.documentElement.classList.add('operator');
const root = document.getElementById('page');
if (root) render(html`<${AdminApp} />`, root);
