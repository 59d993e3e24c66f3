"""Make, list and disable API keys from a command line: `python -m api.keys`, or `make keys` beside `make up`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

from api.auth.key_admin import ACCOUNT, ACCOUNT_WORDS, ADMIN_WORDS, LIMITS, NAME_WORDS, NO_LIMIT, KeyAdmin, is_name
from api.auth.keys import Allowance, Key, Keys
from shared.admin.audit_log import Actor, AuditLog
from shared.broker.connection import connect
from shared.errors import OstinatoError
from shared.jobs.store import JobStore
from shared.settings import API, read_settings


def _number(text: str) -> int | None:
    """Parse a positive integer, or `none` for no limit."""
    if text == NO_LIMIT:
        return None
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: send a whole number from 1, or none for no limit")
    return int(text)


def _label(text: str) -> str:
    if not is_name(text):
        raise argparse.ArgumentTypeError(NAME_WORDS)
    return text


def _account(text: str) -> str:
    if not ACCOUNT.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r}: {ACCOUNT_WORDS}")
    return text


def _parser() -> argparse.ArgumentParser:
    usual = asdict(Allowance())
    parser = argparse.ArgumentParser(prog="api.keys", description="API keys, kept in the Redis of REDIS_URL")
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="make a key and print it, once", epilog="a limit may be `none`")
    create.add_argument("--name", type=_label, required=True, help="whose it is")
    create.add_argument("--admin", action="store_true", help="an operator's: it opens /admin and nothing else")
    create.add_argument("--account", type=_account, help="whose tasks and limits to share; default: its own")
    for limit, words in LIMITS.items():
        flag = f"--{limit.replace('_', '-')}"
        create.add_argument(flag, type=_number, default=argparse.SUPPRESS, help=f"{words} (default {usual[limit]})")
    commands.add_parser("list", help="ids, names and limits; never the keys")
    disable = commands.add_parser("disable", help="the key, its links and its open streams end, within 10 s")
    disable.add_argument("id", help="as `list` shows it")
    disable.add_argument("--cancel-jobs", action="store_true", help="cancel also its jobs that have not begun")
    return parser


def _create(admin: KeyAdmin, given: argparse.Namespace) -> None:
    limits = {limit: getattr(given, limit) for limit in LIMITS if hasattr(given, limit)}
    actor = Actor.at_command_line()
    if given.admin:
        key, record = admin.create_admin(given.name, actor)
    else:
        key, record = admin.create(given.name, limits, given.account, actor)
    print(f"{key}\n{_line(record)}\nThe key is shown this once. From now on the API asks for keys.")


def _disable(admin: KeyAdmin, given: argparse.Namespace) -> None:
    key, cancelled = admin.disable(given.id, Actor.at_command_line(), cancel_jobs=given.cancel_jobs)
    print(_line(key))
    if given.cancel_jobs:
        print(f"{cancelled} waiting jobs are cancelled")


def _line(key: Key) -> str:
    limits = " ".join(f"{name}={value}" for name, value in asdict(key.allowance).items())
    rights = "scope=admin" if key.admin else f"account={key.account}  {limits}"
    return f"{key.id}  {'disabled' if key.disabled else 'active':8}  {key.name}  {rights}"


def main(arguments: list[str] | None = None) -> int:
    given = (parser := _parser()).parse_args(arguments)
    if given.command == "create" and given.admin and (given.account or any(hasattr(given, limit) for limit in LIMITS)):
        parser.error(ADMIN_WORDS)
    try:
        settings = read_settings(API)
        keys = Keys(client := connect(settings))
        admin = KeyAdmin(keys, JobStore(client, settings), AuditLog(client))
        if given.command == "create":
            _create(admin, given)
        elif given.command == "list":
            print("\n".join(map(_line, keys.all())) or "no keys: the API is open to whoever reaches it")
        else:
            _disable(admin, given)
    except OstinatoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
