"""The Lua files as syntax trees: what each declares, names, writes as a literal, and passes to which function."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import tree_sitter_lua
from tree_sitter import Language, Node, Parser

from shared.broker.lua_loader import LUA, script_text

FILES = sorted(str(path.relative_to(LUA).with_suffix("")) for path in LUA.rglob("*.lua"))
PARSER = Parser(Language(tree_sitter_lua.language()))
Literal = str | int | float | list["Literal"] | dict[str, "Literal"]


@cache
def source(file: str) -> str:
    return (LUA / f"{file}.lua").read_text()


def parse(text: str) -> Node:
    return PARSER.parse(text.encode()).root_node


@cache
def tree(file: str) -> Node:
    return parse(source(file))


def words_of(node: Node) -> str:
    assert node.text is not None
    return node.text.decode()


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.named_children:
        yield from walk(child)


def _is_field(node: Node) -> bool:
    """The name after a dot, or before `=` in a table."""
    parent = node.parent
    if parent is None or parent.type not in ("dot_index_expression", "field"):
        return False
    return parent.child_by_field_name("field" if parent.type == "dot_index_expression" else "name") == node


def _is_declared(node: Node) -> bool:
    parent = node.parent
    assert parent is not None
    if parent.type == "variable_list":  # of a `local`, or of a `for`
        above = parent.parent
        assert above is not None
        return above.type == "for_generic_clause" or (above.parent or above).type == "variable_declaration"
    if parent.type in ("function_declaration", "for_numeric_clause"):
        return parent.child_by_field_name("name") == node
    return parent.type in ("parameters", "variable_declaration")


def _names(file: str) -> Iterator[Node]:
    return (node for node in walk(tree(file)) if node.type == "identifier" and not _is_field(node))


def declared(file: str) -> set[str]:
    return {words_of(node) for node in _names(file) if _is_declared(node)}


def used(file: str) -> set[str]:
    return {words_of(node) for node in _names(file) if not _is_declared(node)}


def top_level(file: str) -> set[str]:
    """What other files can name of this one."""
    found = set[str]()
    for node in tree(file).named_children:
        if node.type == "function_declaration" and (name := node.child_by_field_name("name")) is not None:
            found.add(words_of(name))
        elif node.type == "variable_declaration":
            found |= {words_of(name) for name in walk(node) if name.type == "identifier" and _is_declared(name)}
    return found


def constant(file: str, name: str) -> Literal:
    """The value of `local NAME = <literal>`."""
    for node in walk(tree(file)):
        if node.type == "assignment_statement":
            names = [words_of(child) for child in node.named_children[0].named_children]
            if name in names:
                return literal(node.named_children[1].named_children[names.index(name)])
    raise AssertionError(f"{file}.lua has no {name}")


def literal(node: Node) -> Literal:
    if node.type == "string":
        return words_of(node)[1:-1]
    if node.type == "number":
        text = words_of(node)
        return float(text) if "." in text else int(text)
    assert node.type == "table_constructor", words_of(node)
    values = [child for child in node.named_children if child.type == "field"]
    if values and values[0].child_by_field_name("name") is not None:
        pairs = ((each.child_by_field_name("name"), each.child_by_field_name("value")) for each in values)
        return {words_of(key): literal(value) for key, value in pairs if key is not None and value is not None}
    return [literal(each.named_children[0]) for each in values]


def calls(function: str) -> Iterator[list[Node]]:
    """The arguments of every call of that function, in all files."""
    for file in FILES:
        for node in walk(tree(file)):
            name, arguments = node.child_by_field_name("name"), node.child_by_field_name("arguments")
            if node.type == "function_call" and name and arguments and words_of(name) == function:
                yield [child for child in arguments.named_children if child.type != "comment"]


def first_string(node: Node) -> str | None:
    """The string that an argument is, or begins with."""
    while node.type == "binary_expression":
        node = node.named_children[0]
    return words_of(node)[1:-1] if node.type == "string" else None


def strings_passed(function: str, position: int) -> set[str]:
    """The strings that are written as that argument of that function, wherever it is called."""
    found = (first_string(arguments[position]) for arguments in calls(function) if len(arguments) > position)
    return {text for text in found if text is not None}


def run_lua(folder: Path, client: Any, includes: str, body: str, *arguments: str) -> object:
    """Run a command of one's own with these includes on the server."""
    (folder / "commands").mkdir()
    (folder / "includes").symlink_to(LUA / "includes")
    (folder / "commands" / "probe.lua").write_text(f"-- include: {includes}\n{body}\n")
    return client.eval(script_text("probe", folder), 1, "ostinato", *arguments)
