"""Share what routes have in common: submitting, waiting, and serving a clip."""
