"""Run each example of the JavaScript package's page and README, as it stands there but for the address and the key."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from shared.settings import ROOT
from tests.clients.js.conftest import SOURCE, Live

pytestmark = [pytest.mark.xdist_group("js"), pytest.mark.slow]

PAGE = ROOT / "docs" / "clients" / "javascript.md"
RUNNER = Path(__file__).with_name("examples.mjs")
EXAMPLES = {
    f"{path.stem}-{number}": text
    for path in (PAGE, SOURCE / "README.md")
    for number, text in enumerate(re.findall(r"^```js\n(.*?)^```", path.read_text(), re.M | re.S), 1)
}
OF_003 = """
const MusicGenAPI = require('musicgen-api');

const client = new MusicGenAPI({apiKey: 'YOUR_KEY', baseUrl: 'http://localhost:8000/api/v1'});
const result = await client.generate({
  prompt: 'Jazz piano',
  duration: 30
});
console.log(JSON.stringify(result));
"""


def write(live: Live, name: str, text: str) -> Path:
    text = live.filled(text)
    if "require(" not in text:
        path = live.folder / f"{name}.mjs"
    else:
        path, text = live.folder / f"{name}.cjs", f"module.exports = (async () => {{\n{text}\nreturn {{}};\n}})();\n"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def told(live: Live) -> dict[str, dict[str, object]]:
    """Return what came of each, by its name; all in one process, which takes long to begin."""
    paths = [write(live, name, text) for name, text in {**EXAMPLES, "003": OF_003}.items()]
    run = live.node(RUNNER, *paths)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr == "", "a warning"
    answers = map(json.loads, run.stdout.splitlines())
    return {Path(answer["path"]).stem: answer for answer in answers}


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_runs_and_prints_what_it_says(told: dict[str, dict[str, object]], name: str) -> None:
    answer = told[name]
    assert answer["error"] is None
    printed = answer["printed"]
    assert isinstance(printed, list)
    said = re.findall(r"// prints: (.*)$", EXAMPLES[name], re.M)
    assert [line for line in printed if line in said] == said, printed


def test_003s_example_works_as_it_is_written(live: Live, told: dict[str, dict[str, object]]) -> None:
    """Run the document's example, with the address of this server beside the key."""
    assert told["003"]["error"] is None
    (printed,) = told["003"]["printed"]
    result = json.loads(printed)
    assert (result["status"], result["duration"]) == ("completed", 30.0)
    assert result["audio_url"].startswith(f"{live.url}/tasks/{result['task_id']}/audio?")
    assert result["metadata"]["prompt"] == "Jazz piano"
