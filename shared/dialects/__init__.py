"""Build the webhook bodies of the dialects, and what these share with the routes. Knows no HTTP."""
