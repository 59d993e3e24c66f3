"""Decode sequences step by step: on the CPU with paged keys and values, on CUDA with graphs."""
