// What a piece is called: its title, or what it was to sound like.

/** @param {import('musicgen-api').TaskState} piece @param {string} otherwise */
export function nameOf(piece, otherwise) {
  return piece.title || piece.prompt || otherwise;
}
