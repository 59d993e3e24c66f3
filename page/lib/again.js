// The request of a piece, to be sent another time.

/** @typedef {import('musicgen-api').MusicRequest} MusicRequest */
/** @typedef {import('musicgen-api').TaskState} TaskState */

/** The same words and settings, under another seed. @param {TaskState} piece @returns {MusicRequest} */
export function again(piece) {
  const { seed, stream, ...request } = /** @type {MusicRequest} */ (piece.request);
  return request;
}

/** The very same. @param {TaskState} piece @returns {MusicRequest} */
export function same(piece) {
  const { stream, ...request } = /** @type {MusicRequest} */ (piece.request);
  return request;
}
