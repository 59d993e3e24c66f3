"""Say by PathRules which addresses need no API key, and which a signed link opens as a key would. Knows no route."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PathRules:
    """List what authentication treats differently by address; all else needs a key once keys exist, and counts.

    `open_paths`, and all that begins with one of `open_prefixes`, need no key and count towards no limit. A signed link
    to one of `session_paths` acts under all of its account's limits; any other signed link only reads what it names.
    `admin_paths`, and all below them, are operators': no link and no page of another origin opens these.
    """

    open_paths: frozenset[str] = frozenset()
    open_prefixes: tuple[str, ...] = ()
    session_paths: frozenset[str] = frozenset()
    admin_paths: tuple[str, ...] = ()

    def is_open(self, path: str) -> bool:
        """Return whether that address needs no key and counts towards no limit."""
        return path in self.open_paths or path.startswith(self.open_prefixes)

    def opens_session(self, path: str) -> bool:
        """Return whether a signed link to that address acts as its key would."""
        return path in self.session_paths

    def is_admin(self, path: str) -> bool:
        """Return whether that address is for operators."""
        return any(path == own or path.startswith(f"{own}/") for own in self.admin_paths)

    def __or__(self, other: PathRules) -> PathRules:
        """Return the rules of both."""
        return PathRules(
            self.open_paths | other.open_paths,
            self.open_prefixes + other.open_prefixes,
            self.session_paths | other.session_paths,
            self.admin_paths + other.admin_paths,
        )
