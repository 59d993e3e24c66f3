"""A package, so that `tests` is this folder even where an installed library ships a top-level `tests` of its own."""
