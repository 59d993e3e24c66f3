// CopyButton: puts a text into the clipboard, which browsers give to pages under https or of this machine alone.

import { html } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';

import { words } from '../../words.js';

const text = words.copying;

/** @param {{ content: string, class?: string }} props */
export function CopyButton({ content, class: name = '' }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => setCopied(false), [content]);
  if (!navigator.clipboard) return null; // it can be marked and copied by hand
  const copy = () => navigator.clipboard.writeText(content).then(() => setCopied(true), () => setCopied(false));
  return html`<button type="button" class=${name} onClick=${copy}>${copied ? text.copied : text.copy}</button>`;
}
