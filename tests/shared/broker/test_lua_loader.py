"""Each script has what it includes before it, and nothing that it does not need."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.broker.lua_loader import IncludeError, script_text


def lua_folder(folder: Path, **texts: str) -> Path:
    """Write one command, `run`, and the includes that are given."""
    for name, text in texts.items():
        path = folder / ("commands" if name == "run" else "includes") / f"{name}.lua"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


def test_includes_stand_before_what_needs_them_and_each_only_once(tmp_path: Path) -> None:
    folder = lua_folder(
        tmp_path,
        run="-- include: top, base\nreturn base + top\n",
        top="-- include: base\n-- one more\nlocal top = base + 1\n",
        base="local base = 1\n",
    )
    assert script_text("run", folder).splitlines() == [
        "local base = 1",
        "local top = base + 1",
        "return base + top",
    ]


def test_a_script_is_not_given_definitions_that_it_comes_to_name_nowhere(tmp_path: Path) -> None:
    used = "local LEAST = 1\nlocal function least(a)\n  if a then return LEAST end\nend\n"
    unused = (
        "local MOST = 2\nlocal function most() return MOST end\nlocal function both()\n  return most(least())\nend\n"
    )
    folder = lua_folder(tmp_path, run="-- include: base\nreturn least(true)\n", base=unused + used)
    assert script_text("run", folder) == used + "return least(true)\n"


def test_an_include_that_does_not_exist_is_named_with_the_file_that_asks_for_it(tmp_path: Path) -> None:
    with pytest.raises(IncludeError, match="commands/run includes includes/bass, but there is no"):
        script_text("run", lua_folder(tmp_path, run="-- include: bass\n"))


def test_a_circle_of_includes_is_refused_and_shown(tmp_path: Path) -> None:
    folder = lua_folder(tmp_path, run="-- include: a\n", a="-- include: b\n", b="-- include: a\n")
    with pytest.raises(IncludeError, match="circular include: includes/a -> includes/b -> includes/a"):
        script_text("run", folder)
