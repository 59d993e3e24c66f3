"""Decode EnCodec's codes to audio, all at once or as a stream."""
