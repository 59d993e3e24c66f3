"""Decode EnCodec's codes into samples, whole or while they come."""
