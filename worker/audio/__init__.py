"""Read what a job names and encode what a model made."""
