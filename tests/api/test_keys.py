"""API keys, over the real Redis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from api.keys import Allowance, Keys, main
from shared.errors import NotFound
from shared.settings import Settings


@pytest.fixture
def keys(client: redis.Redis) -> Keys:
    return Keys(client)


def test_a_new_key_is_found_and_its_secret_is_kept_nowhere(keys: Keys, client: redis.Redis) -> None:
    key, record = keys.create("game studio", Allowance(rpm=5))
    assert keys.find(key) == record
    secret = key.rpartition("_")[2]
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


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_a_limit_that_is_no_whole_number_is_refused_by_name(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["create", "--name", "x", "--rpm", value])
    assert "--rpm" in capsys.readouterr().err
