"""Import demucs with stand-ins: all of it that separating a melody's sources needs. Only some checkpoints do."""

from worker.engine.imports.stand_ins import stand_ins

with stand_ins():
    # audiocraft's functions import pretrained, apply and audio when they run: by then they are loaded
    from demucs import apply, audio, pretrained, transformer
    from demucs.htdemucs import HTDemucs

__all__ = ["HTDemucs", "apply", "audio", "pretrained", "transformer"]
