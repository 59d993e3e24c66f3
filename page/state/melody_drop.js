// A file that is dropped anywhere on the page is the melody: else a browser would show it in the page's place.

import { signal } from '@preact/signals';

import { showForm } from './melodies.js';
import { take } from './melody_editor.js';

/** Whether a file is held over the page. */
export const over = signal(false);

/** @param {DragEvent} event */
function drag(event) {
  if (!event.dataTransfer?.types.includes('Files')) return; // text that is moved into the prompt
  event.preventDefault();
  over.value = true;
}

/** @param {DragEvent} event */
function leave(event) {
  if (!event.relatedTarget) over.value = false; // else it is over another part of the page
}

/** @param {DragEvent} event */
function drop(event) {
  over.value = false;
  const file = event.dataTransfer?.files[0];
  if (!file) return;
  event.preventDefault();
  showForm();
  take(file, file.name);
}

/** Takes what is dropped, until the function that it returns is called. */
export function watchDrops() {
  addEventListener('dragover', drag);
  addEventListener('dragleave', leave);
  addEventListener('drop', drop);
  return () => {
    removeEventListener('dragover', drag);
    removeEventListener('dragleave', leave);
    removeEventListener('drop', drop);
  };
}
