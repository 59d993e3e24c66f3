"""Find the sound of Apple's Core Audio files. Source: Core Audio Format Specification 1.0."""

from __future__ import annotations

from api.uploads.structure import channel_layout, riff_chunks
from api.uploads.structure.byte_windows import Data, Range, Recording, Window
from api.uploads.structure.magic_bytes import beginning_at
from api.uploads.structure.refusals import Steps, damaged

HEAD_BYTES = 8
# Apple's layouts by tag: number of the layout << 16 | channels
_MPEG_5 = ("FL", "FR", "FC", "LFE", "BL", "BR")
LAYOUTS: dict[int, tuple[str, ...]] = {
    121 << 16 | 6: _MPEG_5,
    122 << 16 | 6: ("FL", "FR", "BL", "BR", "FC", "LFE"),
    123 << 16 | 6: ("FL", "FC", "FR", "BL", "BR", "LFE"),
    124 << 16 | 6: ("FC", "FL", "FR", "BL", "BR", "LFE"),
    117 << 16 | 5: ("FL", "FR", "FC", "BL", "BR"),
    118 << 16 | 5: ("FL", "FR", "BL", "BR", "FC"),
    119 << 16 | 5: ("FL", "FC", "FR", "BL", "BR"),
    120 << 16 | 5: ("FC", "FL", "FR", "BL", "BR"),
    126 << 16 | 8: (*_MPEG_5, "FLC", "FRC"),
    127 << 16 | 8: ("FC", "FLC", "FRC", "FL", "FR", "BL", "BR", "LFE"),
    128 << 16 | 8: ("FL", "FR", "FC", "LFE", "SL", "SR", "BL", "BR"),
}
BITMAP = 1 << 16


def read_caf(data: Data, start: int) -> tuple[list[Recording], int]:
    """Return the recording that begins there, and where that ends. Raises Refusal where it was cut off."""
    at, ranges, layout, channels, least = start + HEAD_BYTES, list[Range | bytes](), 0, 0, 0
    mask, warning, end, copied = 0, "", start, start
    steps = Steps()
    while (chunk := riff_chunks.read_chunk(data, at, riff_chunks.CAF)) is not None and not beginning_at(data, at):
        steps.take()
        if chunk.name == b"desc":
            channels = int.from_bytes(data[chunk.begin + 24 : chunk.begin + 28], "big")
            least = max(64, int.from_bytes(data[chunk.begin + 16 : chunk.begin + 20], "big") * 800)
        elif chunk.name == b"chan":
            layout = int.from_bytes(data[chunk.begin : chunk.begin + 4], "big")
            mask = int.from_bytes(data[chunk.begin + 4 : chunk.begin + 8], "big")
        if chunk.name == b"data" and not ranges:
            (_, stop), warning = riff_chunks.audio_span(data, chunk, start, riff_chunks.CAF, least)
            size = (stop - chunk.begin).to_bytes(8, "big")
            ranges = [(copied, chunk.begin - 8), size, (chunk.begin, stop)]
            copied = end = at = stop
        else:
            at = end = min(len(data), chunk.begin + chunk.promised)
    if not ranges:
        raise damaged("no sound in it")
    names = LAYOUTS.get(layout) or (channel_layout.of_mask(mask, channels) if layout == BITMAP else ())
    window = Window(data, [*ranges, (copied, end)])
    return [Recording("caf", window, speakers=names, warnings=(warning,) if warning else ())], end
