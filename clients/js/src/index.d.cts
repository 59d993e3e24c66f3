/** The types of `require('musicgen-api')`: the class, and on it all that the package exports. */
import type * as everything from './index.js' with { 'resolution-mode': 'import' };

declare const MusicGenAPI: typeof everything.MusicGenAPI & typeof everything;
type MusicGenAPI = everything.MusicGenAPI;
export = MusicGenAPI;
