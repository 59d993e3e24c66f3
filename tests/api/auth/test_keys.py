"""API keys, over the real Redis."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from api.auth.keys import NO_LIMITS, Allowance, Key, Keys
from api.auth.keys_command import main
from shared.admin.audit_log import AuditLog
from shared.errors import NotFound
from shared.settings import ROOT, Settings


@pytest.fixture
def keys(client: redis.Redis) -> Keys:
    return Keys(client)


def test_a_new_key_is_found_and_its_secret_is_kept_nowhere(keys: Keys, client: redis.Redis) -> None:
    key, record = keys.create("game studio", Allowance(rpm=5))
    assert keys.find(key) == record
    secret = key.split("_", 2)[2]  # it may hold more of them
    assert all(secret not in text for text in client.hvals("ostinato:keys"))
    assert record.allowance.rpm == 5


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: key + "x",
        lambda key: key[:-1],
        lambda key: key.replace("ost_", "xxx_"),
        lambda key: "",
        lambda key: "ost_",
        lambda key: "ost_*_",
        lambda key: key.swapcase(),
        lambda key: key + "\ud800",
    ],
)
def test_anything_but_the_whole_key_is_nobody(keys: Keys, spoil: Callable[[str], str]) -> None:
    key, _ = keys.create("one", Allowance())
    assert keys.find(spoil(key)) is None


def test_a_disabled_key_is_refused_and_still_counts_as_a_key(keys: Keys) -> None:
    key, record = keys.create("one", Allowance())
    keys.disable(record.id)
    assert keys.find(key) is None
    assert keys.exist()
    with pytest.raises(NotFound, match="no key"):
        keys.disable("nothing")


def test_keys_of_one_account_share_it_and_others_have_their_own(keys: Keys) -> None:
    first, second = keys.create("a", Allowance(), "team")[1], keys.create("b", Allowance(), "team")[1]
    third, fourth = keys.create("c", Allowance())[1], keys.create("c", Allowance())[1]
    assert first.account == second.account == "team"
    assert third.account != fourth.account
    assert [key.name for key in keys.all()] == ["a", "b", "c", "c"]


def test_keys_of_the_environment_are_an_account_each(client: redis.Redis) -> None:
    keys = Keys(client, ("first-secret", "second-secret"))
    assert keys.exist()
    one, two = keys.find("first-secret"), keys.find("second-secret")
    assert one is not None
    assert two is not None
    assert one.account != two.account
    assert "first-secret" not in one.as_json()
    assert keys.find("third-secret") is None


def test_no_key_is_seen_as_no_key_until_one_is_made(client: redis.Redis, keys: Keys) -> None:
    assert not Keys(client).exist()
    keys.create("one", Allowance())
    assert Keys(client).exist()


def test_the_command_creates_lists_and_disables(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    settings: Settings,
    client: redis.Redis,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("REDIS_URL", settings.redis_url)
    monkeypatch.chdir(tmp_path)
    assert main(["create", "--name", "studio", "--rpm", "7", "--monthly-bytes", "none"]) == 0
    key = capsys.readouterr().out.splitlines()[0]
    record = Keys(client).find(key)
    assert record is not None
    assert record.allowance == Allowance(rpm=7, monthly_bytes=None)
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    assert "studio" in listed
    assert key not in listed
    assert main(["disable", record.id]) == 0
    assert Keys(client).find(key) is None
    assert main(["disable", "nothing"]) == 1
    assert "no key" in capsys.readouterr().err


def test_a_key_with_the_scope_admin_has_no_limits_and_no_account_to_share(
    keys: Keys, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", settings.redis_url)
    assert main(["create", "--name", "ops", "--admin"]) == 0
    record = keys.find(capsys.readouterr().out.splitlines()[0])
    assert record is not None
    assert (record.scope, record.allowance) == ("admin", NO_LIMITS)
    assert main(["list"]) == 0
    assert "ops  scope=admin" in capsys.readouterr().out
    for limit in (["--rpm", "5"], ["--account", "team"]):
        with pytest.raises(SystemExit):
            main(["create", "--name", "ops", "--admin", *limit])
        assert "no limits" in capsys.readouterr().err


def test_a_record_without_a_scope_is_an_ordinary_keys_and_is_written_so_for_older_versions(keys: Keys) -> None:
    _, record = keys.create("one", Allowance())
    assert "admin" not in record.as_json()
    assert Key.from_json(record.as_json()) == record
    admin = keys.create_admin("ops")[1]
    assert Key.from_json(admin.as_json()) == admin


def test_what_the_command_did_is_in_the_audit_log(
    client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", settings.redis_url)
    main(["create", "--name", "studio"])
    key = capsys.readouterr().out.splitlines()[0]
    main(["disable", key.split("_")[1]])
    main(["disable", "nothing"])
    refused, disabled, created = AuditLog(client).latest(10)
    assert (created.action, created.target, created.outcome) == ("create key", key.split("_")[1], "done")
    assert (disabled.action, disabled.outcome) == ("disable key", "done")
    assert (refused.target, refused.outcome) == ("nothing", "refused")
    assert created.actor.startswith("command line, ")
    assert key.split("_", 2)[2] not in repr((refused, disabled, created))


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_a_limit_that_is_no_whole_number_is_refused_by_name(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["create", "--name", "x", "--rpm", value])
    assert "--rpm" in capsys.readouterr().err


DIRECTLY, BESIDE_MAKE_UP = ("api.keys",), ("stack.with_broker", "api.keys")


def run(settings: Settings, *words: str, by: tuple[str, ...] = DIRECTLY) -> subprocess.CompletedProcess[str]:
    """The command as an operator types it."""
    command = [sys.executable, "-m", *by, *words]
    env = os.environ | {"REDIS_URL": settings.redis_url}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=30)


@pytest.mark.usefixtures("client")
def test_a_key_is_made_by_the_documented_command_line(settings: Settings, keys: Keys) -> None:
    limits = ("--rpm", "60", "--rpd", "1000", "--concurrent", "4", "--monthly-bytes", "5000000")
    made = run(settings, "create", "--name", "game studio", *limits)
    assert (made.returncode, made.stderr) == (0, "")
    record = keys.find(made.stdout.splitlines()[0])
    assert record is not None
    assert (record.name, record.allowance) == ("game studio", Allowance(60, 1000, 4, 5_000_000))
    assert record.sha256 not in made.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("client")
def test_the_command_says_nothing_but_its_own_words_directly_and_beside_make_up(settings: Settings) -> None:
    listed = run(settings, "list", by=BESIDE_MAKE_UP)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert listed.stdout.startswith("no keys")
    wrong = run(settings, "disable", "nothing", by=DIRECTLY)
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("error: no key")


def test_keys_of_one_account_have_the_limits_of_the_one_made_last(
    keys: Keys, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", settings.redis_url)
    made = []
    for limits in (["--rpm", "5", "--concurrent", "2"], ["--rpm", "9"]):
        assert main(["create", "--name", "x", "--account", "team", *limits]) == 0
        made.append(capsys.readouterr().out.splitlines()[0])
    for key in made:
        record = keys.find(key)
        assert record is not None
        assert record.allowance == keys.allowance_of("team") == Allowance(rpm=9, concurrent=2)
    assert keys.allowance_of("nobody") == Allowance()


@pytest.mark.parametrize(("flag", "value"), [("--name", "two\nlines"), ("--name", ""), ("--account", "a:b")])
def test_names_that_would_spoil_a_list_or_a_record_are_refused(
    flag: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["create", "--name", "x", flag, value])
    assert flag in capsys.readouterr().err


def test_without_a_broker_the_command_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    assert main(["list"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "broker" in said
