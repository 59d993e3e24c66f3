"""Do what the routes ask for. Knows no HTTP: imports no Flask."""
