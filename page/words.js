// All that the page says, in one file and longer than others: to be read, and put into another language, as a whole.

export const words = {
  name: 'Ostinato',
  make: 'Make',
  nav: 'Views',
  loading: 'Loading',
  notLoaded: 'This part of the page could not be loaded; reload it once the server is reached again.',
  today: 'today',
  yesterday: 'yesterday',
  /** @param {number} n */
  seconds: (n) => `${n} s`,
  /** @param {number} n */
  minutes: (n) => `${n} min`,
  skip: 'Skip to what is made',
  offline: 'No connection to the server. What is being made goes on; this page looks again by itself.',
  /** @param {string} why */
  away: (why) => `A part of the server is away (${why}). Nothing is lost; this page looks again by itself.`,
  noWorker: 'No worker is running, so nothing is made now. What you ask for waits until one is there.',
  /** @param {number} workers @param {number} queued */
  load: (workers, queued) => `${workers === 1 ? '1 worker' : `${workers} workers`} · queue ${queued}`,

  docs: 'For programs: the API',
  keys: {
    button: 'Keys',
    title: 'What the keys do',
    close: 'Close',
    /** @type {[string, string][]} */
    list: [
      ['Enter', 'in the description: make music; Shift and Enter: a new line'],
      ['Space', 'play, pause'],
      ['← →', 'back and forth in what plays'],
      ['Esc', 'cancel the recording'],
      ['L', 'loop what plays, or loop it no more'],
      ['[ ]', 'the loop begins here, ends here'],
      ['+ −', 'louder, softer'],
      ['1 to 4', 'choose a take: what sounds changes to it'],
      ['/', 'search the pieces'],
      ['?', 'this list'],
    ],
  },

  key: {
    button: 'Key',
    title: 'This server asks for a key',
    label: 'API key',
    hint: 'Whoever runs the server makes one: make keys ARGS="create --name NAME". It stays in this browser.',
    missing: 'Enter your key to make and hear music here.',
    refused: 'This key is unknown or disabled. Enter another one, or ask whoever runs the server.',
    use: 'Use this key',
    forget: 'Forget the key',
    changed: 'The key was changed meanwhile.',
    /** @param {string} why */
    usedUp: (why) => `This key has used up what it may: ${why}`,
  },

  form: {
    title: 'What should it sound like?',
    prompt: 'Describe the music',
    placeholder: 'slow sad piano in A minor, no drums',
    instruments: 'Instrument',
    moods: 'Mood',
    tempi: 'Tempo',
    keys: 'Key',
    genres: 'Style',
    anyKey: 'any',
    /** @param {string} group */
    moreChips: (group) => `${group}: show more`,
    examples: 'Or begin with one of these:',
    drums: 'Drums',
    surprise: 'Surprise me',
    length: 'Length',
    takes: 'Takes',
    takesHint: 'the same request, so many times, each with a seed of its own',
    more: 'More: model, seed, format',
    submit: 'Make music',
    sending: 'Sending',
    melody: 'Melody',
    removeMelody: 'remove the melody',
    model: 'Model',
    seed: 'Seed',
    seedHint: 'the same seed and words make the same music again; empty, each time another',
    dice: 'draw',
    lock: 'keep',
    /** @param {string} time */
    takesNow: (time) => `8 s now take about ${time}`,
    /** @param {string} name */
    noWorkerFor: (name) => `${name}: no worker runs it`,
    /** @param {string} name */
    startWorker: (name) => `needs a worker that was started with MODEL=${name}`,
    startAny: 'SERVED_MODELS=tiny,NAME make up starts a worker for each of these names; MODEL=NAME celery -A worker.app worker one more beside those there are.',
    followsMelody: 'follows a melody',
    noMelody: 'takes no melody',
    /** @param {string} name */
    licence: (name) => `weights: ${name}`,
    temperature: 'Temperature',
    temperatureHint: 'how far it strays from the likeliest note: 0 not at all, 1 as it learned, 2 far',
    top_k: 'Top-k',
    top_kHint: 'chooses among so many likeliest notes at each step',
    top_p: 'Top-p',
    top_pHint: 'chooses among the likeliest notes that together have this share; 0 leaves it to top-k',
    guidance_scale: 'Guidance',
    guidance_scaleHint: 'how closely it follows your words: 1 loosely, 3 as usual, 10 stiffly',
    output_format: 'Format',
    formatHint: 'of the file',
    loudness: 'Loudness',
    loudnessHint: 'LUFS of the file, such as -14; then it is heard only when all of it is made',
    usual: 'usual',
  },

  faults: {
    noPrompt: 'Say first what it should sound like, in a few words.',
    noKey: 'The server asks for a key: enter it above, then make it again. Nothing you typed is lost.',
    /** @param {string} when */
    queueFull: (when) => `Too much waits already. Try again in about ${when}; nothing you typed is lost.`,
  },

  now: {
    title: 'Now',
    nothing: 'Nothing is being made. Describe some music and press “Make music”.',
    play: 'Play',
    pause: 'Pause',
    cancel: 'Cancel',
    /** @param {number} n */
    ahead: (n) => (n === 0 ? 'Next in line' : n === 1 ? 'Waits: 1 before it' : `Waits: ${n} before it`),
    waiting: 'Waits for a worker',
    noWorker: 'Waits: no worker is running for this model',
    waitsForOthers: 'Waits for its parts',
    preparing: 'A worker prepares it',
    /** @param {number} percent */
    made: (percent) => `made ${percent} %`,
    storing: 'Stores the file',
    /** @param {string} time */
    left: (time) => `about ${time} left`,
    /** @param {string} time */
    leftLater: (time) => `takes longer than thought, about ${time} left`,
    done: 'Made',
    begun: 'It is being made',
    cancelled: 'Cancelled',
    /** @param {string} why */
    failed: (why) => `It could not be made: ${why}`,
    gone: 'It was removed at the server.',
    cutOff: 'No news from the server; asking again',
    again: {
      lost: 'Its worker was lost: again on another worker',
      failed: 'The attempt failed: tried again',
      left: 'Its worker leaves: again on another worker',
    },
    retry: 'Try again with the same seed',
    others: 'Also being made',
    /** @param {number} n */
    take: (n) => `Take ${n}`,
    /** @param {string} at @param {string} of */
    position: (at, of) => `${at} of ${of}`,
    wave: 'Where you listen',
    /** @param {string} name */
    waveOf: (name) => `Where you listen: ${name}`,
  },

  listening: {
    loop: 'loop',
    fromHere: 'from here',
    toHere: 'to here',
    hint: 'Drag on the waveform to loop a part of it',
    /** @param {number} from @param {number} to */
    loops: (from, to) => `Loops ${from.toFixed(1)} s to ${to.toFixed(1)} s`,
    /** @param {number} from */
    loopsFrom: (from) => (from ? `Loops ${from.toFixed(1)} s to its end` : 'Loops all of it'),
    volume: 'Volume',
  },

  copying: { copy: 'Copy', copied: 'Copied' },

  code: {
    language: 'Language',
    curl: '# for a POSIX shell with curl; $OSTINATO_KEY holds the key, where the server asks for one',
    python: '# pip install music_gen, or clients/python of the repository',
    javascript: '// npm install musicgen-api; as a module, in Node',
    keptMelody: 'It followed an earlier piece, which is fetched first.',
    recordings: {
      /** @param {number} seconds @param {string} file */
      melody: (seconds, file) => `It followed a recording of ${Math.round(seconds)} s, which the server gives to nobody: put yours beside the program as ${file}.`,
      /** @param {number} seconds @param {string} file */
      continue_audio: (seconds, file) => `It begins with a recording of ${Math.round(seconds)} s: put it beside the program as ${file}.`,
    },
  },

  pieces: {
    title: 'Pieces',
    nothing: 'Nothing yet. What you make is kept here.',
    examples: 'Or begin with one of these:',
    more: 'Show older ones',
    play: 'Play',
    pause: 'Pause',
    untitled: 'without words',
    failed: 'failed',
    cancelled: 'cancelled',
    seed: 'seed',
    moreLike: 'more like this',
    asMelody: 'as melody',
    download: 'download',
    asCode: 'as code',
    actions: 'What to do with it',
    remove: 'delete',
    removeSure: 'Delete it for good?',
    removeYes: 'Delete',
    removeNo: 'Keep',
    recordingGone: 'It followed a recording, which the server gives to nobody: give it again under “Make”, with the same words.',
    partGone: 'An instrument of it was deleted, and what it was to play is not known any more.',
    /** @param {string} name */
    partRecorded: (name) => `${name} followed a recording, which the server gives to nobody.`,
    gone: 'Its file is gone: it was kept for its lifetime. “More like this” makes another one.',
    spectrogram: 'spectrogram',
    /** @param {string} name */
    wave: (name) => `Waveform of ${name}`,
  },

  search: {
    label: 'Search pieces',
    favourites: 'favourites',
    nothing: 'Nothing fits. Words of the title or the description are sought.',
  },

  keep: {
    favourite: 'Favourite',
    mark: 'Keep it until it is unmarked',
    unmark: 'A favourite: kept until it is unmarked',
    rename: 'rename',
    title: 'Title',
    save: 'Save',
    cancel: 'Cancel',
  },

  goOn: {
    label: 'go on from here',
    at: 'Keep',
    here: 'up to where you listen',
    more: 'Add (seconds)',
    prompt: 'What comes',
    button: 'Go on',
    end: 'All of it stays, and goes on.',
    /** @param {number} seconds */
    cuts: (seconds) => `What comes after ${seconds} s is left out of the new piece. This one stays as it is.`,
  },

  download: {
    formats: 'Formats',
    /** @param {string} name */
    busy: (name) => `${name} …`,
    /** @param {string} name */
    kept: (name) => `Kept as ${name}; the others are converted from it.`,
    /** @param {string} name */
    lossy: (name) => `A ${name} that is converted sounds as the ${name} does.`,
  },

  share: {
    label: 'share',
    lifetime: 'A link for',
    lifetimes: ['an hour', 'a day', 'a week', '30 days'],
    make: 'Make a link',
    hint: 'Whoever has the link can hear the piece, without a key.',
    link: 'Link',
    withdraw: 'withdraw',
    /** @param {string} when */
    until: (when) => `works until ${when}`,
  },

  melody: {
    hint: 'the music follows it, if you like',
    record: 'Hum it',
    file: 'Choose or drop a file',
    recorded: 'Your melody',
    asking: 'Your browser asks whether this page may hear the microphone',
    /** @param {number} n */
    countIn: (n) => `Hum in ${n}`,
    /** @param {string} at @param {number} most */
    recording: (at, most) => `Recording ${at} of at most ${most} s`,
    level: 'How loud the microphone hears you',
    stop: 'Done',
    cancel: 'Cancel',
    listen: 'Listen to it',
    pause: 'Pause',
    /** @param {number} seconds */
    seconds: (seconds) => `${seconds.toFixed(1)} s`,
    /** @param {number} seconds */
    heard: (seconds) => `heard ${seconds.toFixed(1)} s of your melody`,
    from: 'Begin of the melody',
    to: 'End of the melody',
    longest: 'At most 30 s: it ends there.',
    firstPart: 'Its first 30 s; drag to take others.',
    unplugged: 'Kept until the microphone was lost.',
    unreadable: 'This file cannot be read: it may be empty, a folder, or moved meanwhile. Choose another one.',
    silent: 'The microphone heard nothing. Is it muted, or is another one chosen? Nothing else is lost: try again, or choose a file.',
    tooLarge: 'This file is over 25 MB. A melody needs only some seconds: cut it, and choose it again.',
    /** @param {number} minutes */
    tooLong: (minutes) => `This file lasts ${minutes} minutes. A melody needs only some seconds, at most 10 minutes: cut it, and choose it again.`,
    noMicrophone: {
      insecure: 'Browsers give the microphone only to pages under https, or on this machine. Choose a file, or start the server with make up ARGS=--tls.',
      absent: 'There is no microphone here. Choose a file instead.',
      refused: 'This page may not hear the microphone. Allow it in the browser’s address bar, or choose a file.',
      lost: 'The microphone was lost before it heard anything. Plug it in and try again, or choose a file.',
      failed: 'The microphone could not be opened; perhaps another program has it. Try again, or choose a file.',
    },
  },

  instruments: {
    view: 'Several instruments',
    title: 'Several instruments',
    hint: 'Each instrument is made by itself, over one tempo and key; then they are mixed, and you can mix them again by ear.',
    /** @type {[string, string][]} */
    examples: [['piano', 'Jazz piano comping'], ['bass', 'Walking bass line'], ['drums', 'Swing pattern']],
    name: 'instrument',
    prompt: 'what it plays',
    /** @param {number} n */
    nameOf: (n) => `Instrument ${n}`,
    /** @param {string | number} name */
    promptOf: (name) => `What plays ${name}`,
    remove: 'remove',
    /** @param {string | number} name */
    removeOf: (name) => `Remove ${name}`,
    add: 'Add an instrument',
    preset: 'Preset',
    /** @type {Record<string, string>} */
    presets: {
      '': 'none', jazz_club: 'jazz club', concert_hall: 'concert hall', rock_stage: 'rock stage', electronic_club: 'electronic club',
      lofi_room: 'lo-fi room', ambient_space: 'ambient space', cinematic: 'cinematic', unplugged: 'unplugged',
    },
    tempo: 'Tempo',
    key: 'Key',
    drawn: 'as it comes',
    submit: 'Make the piece',
    noName: 'Give this instrument a name, such as piano.',
    twice: 'Another instrument has this name: call it piano 2 or the like.',
    /** @param {string} name */
    progressOf: (name) => `How much of ${name} is made`,
  },

  desk: {
    open: 'mix',
    play: 'Play the mix',
    pause: 'Pause the mix',
    loading: 'Fetching the stems',
    level: 'level',
    panning: 'left, right',
    muted: 'mute',
    solo: 'solo',
    /** @param {string} name */
    wave: (name) => `Waveform of ${name}`,
    /** @param {string} name */
    levelOf: (name) => `Level of ${name}`,
    /** @param {string} name */
    panningOf: (name) => `Position of ${name}`,
    /** @param {number} db */
    db: (db) => (db <= -48 ? 'off' : `${db > 0 ? '+' : ''}${db} dB`),
    /** @param {number} side */
    side: (side) => (Math.abs(side) < 0.01 ? 'middle' : `${Math.round(100 * Math.abs(side))} % ${side < 0 ? 'left' : 'right'}`),
    reverb: 'You hear it as the server mixes it; only its reverb is another room of the same size.',
    gone: 'This stem is gone: it was kept for its lifetime. The others are mixed without it.',
    allGone: 'None of the stems is left. “More like this” makes another piece.',
    notAgain: 'The server mixes a piece again only while all of its stems are there.',
    loudness: 'Loudness (LUFS)',
    again: 'Mix again',
  },
};
