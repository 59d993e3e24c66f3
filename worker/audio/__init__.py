"""Read the audio that a job names, limit what is streamed, and keep the codes beside what the model generated."""
