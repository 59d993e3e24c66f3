"""List the words of captions: synonyms of everything that can be named, and the sentences that they stand in."""

# Pitch class -> how its name is written.
TONICS = (
    ("C",),
    ("C#", "Db", "C sharp", "D flat"),
    ("D",),
    ("Eb", "D#", "E flat", "D sharp"),
    ("E",),
    ("F",),
    ("F#", "Gb", "F sharp", "G flat"),
    ("G",),
    ("Ab", "G#", "A flat", "G sharp"),
    ("A",),
    ("Bb", "A#", "B flat", "A sharp"),
    ("B",),
)
TEMPI = {
    "slow": ("slow", "slow tempo", "at a slow pace", "slow-paced", "unhurried", "slowly", "very slow"),
    "medium": (
        "medium tempo",
        "moderate tempo",
        "mid-tempo",
        "at a moderate pace",
        "moderate",
        "medium",
        "walking pace",
    ),
    "fast": ("fast", "fast tempo", "at a fast pace", "quick", "up-tempo", "fast-paced", "very fast"),
}
MOODS = {
    ("major", "slow"): ("calm", "gentle", "peaceful", "warm", "tender", "soft", "dreamy", "relaxing"),
    ("major", "medium"): ("happy", "cheerful", "relaxed", "warm", "sunny", "bright-hearted", "pleasant"),
    ("major", "fast"): ("happy", "joyful", "cheerful", "upbeat", "playful", "energetic", "lively", "fun"),
    ("minor", "slow"): ("sad", "melancholic", "dark", "sorrowful", "lonely", "gloomy", "sombre"),
    ("minor", "medium"): ("sad", "melancholic", "moody", "mysterious", "wistful", "serious"),
    ("minor", "fast"): ("tense", "dramatic", "dark", "restless", "urgent", "fierce", "stormy"),
}
LEADS = {
    "piano": ("piano", "solo piano", "piano melody", "grand piano", "a piano"),
    "guitar": ("guitar", "acoustic guitar", "steel guitar", "guitar melody", "a guitar"),
    "strings": ("strings", "string ensemble", "violins", "orchestral strings", "violin"),
    "flute": ("flute", "flute melody", "solo flute", "a flute"),
    "synth": ("synth", "synthesizer", "synth lead", "square synth", "a synth melody"),
}
GENRES = {
    "rock": ("rock", "rock tune"),
    "pop": ("pop", "pop song"),
    "funk": ("funk", "funky"),
    "electronic": ("electronic", "electronica"),
    "dance": ("dance", "electronic dance music", "EDM"),
    "techno": ("techno", "house"),
    "lo-fi": ("lo-fi", "lofi beat", "chill lo-fi"),
    "soul": ("soul", "r&b"),
    "ballad": ("ballad", "soft ballad"),
    "folk": ("folk", "folk tune"),
    "classical": ("classical", "classical piece"),
    "lullaby": ("lullaby", "bedtime lullaby"),
    "ambient": ("ambient", "ambient piece"),
}
DRUMS = {
    True: ("with drums", "with a drum beat", "drums", "with percussion", "with a steady beat of drums", "drum kit"),
    False: ("no drums", "without drums", "no percussion", "without percussion", "drumless", "without any drums"),
}
KITS = {
    "rock": ("with rock drums", "with a rock beat"),
    "dance": ("with dance drums", "with a four on the floor beat"),
    "soft": ("with soft drums", "with a soft beat"),
}
REGISTERS = {
    True: ("high melody", "high register", "bright", "in a high register", "high-pitched", "high"),
    False: ("low melody", "low register", "mellow", "in a low register", "deep melody", "low"),
}
KEYS = ("in {key}", "in {key}", "in the key of {key}", "key of {key}", "{key}", "key: {key}")
BPM = ("{bpm} bpm", "{bpm} BPM", "at {bpm} bpm", "{bpm} beats per minute", "{bpm}bpm", "tempo {bpm}")
NOUNS = ("piece", "track", "song", "tune", "melody", "music", "instrumental")

TEMPLATES = (
    "{mood} {lead} {genre} {key}, {tempo}, {drums}",
    "{tempo} {mood} {lead} {key}",
    "{tempo} {mood} {lead} {key}, {drums}",
    "{genre} {key} with {lead}, {drums}, {tempo}",
    "{lead}, {mood}, {tempo}, {key}, {drums}, {register}",
    "a {mood} {genre} {noun} for {lead}, {tempo}, {key}, {drums}",
    "a {mood} {lead} {noun} {key}, {tempo}",
    "{mood} {lead} {noun}, {tempo} {drums} {key}",
    "{register} {lead} {key}, {tempo}, {drums}",
    "{tempo}, {key}, {lead}, {drums}",
    "{drums}, {lead}, {tempo}, {mood}, {key}",
    "{mood} {genre}. {lead}. {drums}, {tempo}",
    "music: {lead} {key}, {tempo}, {drums}",
    "play a {mood} {noun} {key} on the {lead}, {tempo}, {drums}",
    "give me {tempo} {genre} {key}, {drums}, with {lead}",
    "I want a {noun} {key}, {tempo}, {drums}, {mood}",
    "{lead} {noun} {drums}, {tempo}, {register}, {key}",
    "{key}, {drums}, {tempo}, {mood} {genre}",
)
HELD_OUT_TEMPLATES = (
    "please play {lead} {key} for me, {drums}, {tempo}",
    "something {mood} {key}: {lead}, {tempo}, {drums}",
    "{key}. {tempo}. {lead}. {drums}. {register}.",
    "I need a {genre} track, {drums}, {tempo}, {key}, played by {lead}",
)
OPENINGS = ("", "", "", "a", "please:", "make", "some", "music,", "generate", "create a")
ENDINGS = ("", "", "", ".", " please", "!")

GAPS = (
    (" ,", ","),
    (",,", ","),
    (" .", "."),
    ("..", "."),
    (". .", "."),
    (": ,", ":"),
    (" :", ":"),
    ("with,", ""),
    ("for,", ","),
    ("on the,", ","),
    ("  ", " "),
)
