// The views of the page's first column. One that is not the first is loaded when its address is opened.

import { words } from '../words.js';
import { MakeForm } from './make/make_form.js';

/** @typedef {import('preact').FunctionComponent} Component */
/** One of them: its name in the address (#/NAME), its label, and its component or how that is loaded.
 *
 * @typedef {object} View
 * @property {string} name
 * @property {string} label
 * @property {Component} [component]
 * @property {() => Promise<Component>} [load]
 */

/** @type {View[]} */
export const VIEWS = [
  { name: 'make', label: words.make, component: MakeForm },
  {
    name: 'instruments',
    label: words.instruments.view,
    load: async () => (await import('./instruments/instruments_form.js')).InstrumentsForm,
  },
];
