"""Build the codec: an EnCodec, 32 kHz mono, 50 frames a second, four codebooks. All but its encoder is written."""
