// What makes a piece, as a program: in curl, Python and JavaScript, as it can be pasted and run.

import { asCurl } from './code_curl.js';
import { asJavaScript } from './code_javascript.js';
import { asPython } from './code_python.js';

/** @typedef {{ url: string, hasKey: boolean }} Server its address without a slash at its end */

export const LANGUAGES = [
  { name: 'curl', write: asCurl },
  { name: 'Python', write: asPython },
  { name: 'JavaScript', write: asJavaScript },
];
