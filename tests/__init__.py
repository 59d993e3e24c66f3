"""Be a package, so that `tests` is this folder even where a library installs a top-level `tests` of its own."""
