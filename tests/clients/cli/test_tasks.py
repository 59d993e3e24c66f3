"""Look at tasks and models from the terminal, and cancel, against the live API."""

from __future__ import annotations

import json
import shlex
import subprocess
import uuid
from pathlib import Path

import pytest
import soundfile
from music_gen import APIClient

from tests.clients.cli.conftest import COMMAND, Typed
from tests.clients.conftest import SLOW, Live

pytestmark = pytest.mark.xdist_group("clients")


def test_tasks_and_models_are_listed_for_people_and_for_programs(typed: Typed, live: Live) -> None:
    with APIClient(live.key, live.url) as client:
        task = client.wait(client.submit("listed\npiano", 1))
    listed = typed("list", "-n", "3")
    assert listed.returncode == 0, listed.stderr
    head, *rows = listed.stdout.splitlines()
    assert head.split() == ["TASK", "STATE", "SINCE", "MODEL", "PROMPT"]
    row = next(row for row in rows if row.startswith(task.id))
    assert row.endswith("tiny   listed piano")
    found = json.loads(typed("--base-url", live.url, "list", "--json", MUSIC_GEN_BASE_URL="http://x.invalid").stdout)
    assert task.id in {each["task_id"] for each in found}
    sought = json.loads(typed("list", "--search", "LISTED piano", "--json").stdout)
    assert {each["prompt"] for each in sought} == {"listed\npiano"}
    assert json.loads(typed("list", "--favourites", "--json").stdout) == []
    models = typed("models")
    assert any(line.split()[:2] == ["tiny", "1"] for line in models.stdout.splitlines()), models.stdout
    assert {"name", "workers"} <= json.loads(typed("models", "--json").stdout)[0].keys()


def test_a_task_is_shown_and_its_music_saved_once_it_is_made(typed: Typed, live: Live, tmp_path: Path) -> None:
    with APIClient(live.key, live.url) as client:
        task = client.submit("shown", 1, seed=3)
        done = typed("show", task.id, "-o", "shown.flac")
        assert done.returncode == 0, done.stderr
        assert done.stdout == "shown.flac: 1.0 s by tiny, seed 3\n"
        assert soundfile.info(tmp_path / "shown.flac").format == "FLAC"
        shown = typed("show", task.id).stdout
        batch = client.submit_batch([{"prompt": "in a batch", "duration": 1}])
    assert "prompt:             shown\n" in shown
    assert "seed:               3\n" in shown
    assert "in a batch" in typed("show", batch.id).stdout
    refused = typed("show", str(uuid.uuid4()))
    assert (refused.returncode, "music-gen list shows the tasks" in refused.stderr) == (1, True)


def test_one_that_cannot_be_cancelled_does_not_keep_the_others(typed: Typed, live: Live) -> None:
    with APIClient(live.key, live.url) as client:
        finished = client.wait(client.submit("done", 1))
        tasks = [client.submit(f"{SLOW} {number}", 1) for number in range(2)]
        done = typed("cancel", tasks[0].id, finished.id, tasks[1].id)
        assert done.returncode == 1
        assert done.stdout == "".join(f"{task.id} cancelled\n" for task in tasks)
        assert "only a queued or running task can be cancelled" in done.stderr
        assert {client.get(task).status for task in tasks} == {"cancelled"}


def test_a_shell_completes_subcommands_options_models_and_the_ids_of_tasks(typed: Typed, live: Live) -> None:
    with APIClient(live.key, live.url) as client:
        task = client.wait(client.submit("completed by tab", 1))

    def completed(words: str) -> list[str]:
        environment = {
            "_MUSIC_GEN_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        }
        return typed(**environment).stdout.splitlines()

    assert completed("music-gen va") == ["variations"]
    assert completed("music-gen piano --temp") == ["--tempo-bpm", "--temperature"]
    assert completed("music-gen make --model ti") == ["tiny"]
    assert completed(f"music-gen show {task.id[:30]}") == [task.id]


def test_the_shell_that_it_is_typed_in_gets_its_own_completion(terminal_environment: dict[str, str]) -> None:
    typed = f"{shlex.join(COMMAND)} --show-completion; exit $?"
    shown = subprocess.run(["bash", "-c", typed], env=terminal_environment, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert "COMPREPLY" in shown.stdout, "bash's"
