"""Read the audio that a job names, and encode and store what the model generated."""
