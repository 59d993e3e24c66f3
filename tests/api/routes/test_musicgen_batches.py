"""POST /api/v1/generate/batch: the document's request, and the answer that follows its one clip's."""

from __future__ import annotations

from collections.abc import Callable

from flask.testing import FlaskClient

from shared.jobs.job import Job
from shared.jobs.store import JobStore
from shared.settings import Settings
from tests.api.routes.test_batches import BROKEN, fields_of, pieces
from tests.shared.steps import claim


def test_the_documents_batch_is_accepted_as_it_is_printed(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings], store: JobStore
) -> None:
    api = open_api(make_settings())
    printed = [{"prompt": "Piano melody", "duration": 15}, {"prompt": "Guitar solo", "duration": 20}]
    answer = api.post("/api/v1/generate/batch", json={"requests": printed})
    batch = answer.get_json()
    assert answer.status_code == 202
    assert (batch["task_id"], batch["status"], batch["eta"]) == (batch["batch_id"], "processing", None)
    assert [set(task) for task in batch["tasks"]] == [{"task_id", "status", "eta"}] * 2
    jobs = [store.reader.get(task["task_id"]) for task in batch["tasks"]]
    assert [(job.request.prompt, job.request.duration_s) for job in jobs] == [("Piano melody", 15), ("Guitar solo", 20)]
    assert {job.source for job in jobs} == {"musicgen_ai"}


def test_the_documents_batch_is_followed_at_its_own_address_and_at_a_tasks(
    api: FlaskClient, store: JobStore, finish: Callable[[Job, bytes], Job]
) -> None:
    batch = api.post("/api/v1/generate/batch", json={"requests": pieces(2, duration=4)}).get_json()
    finish(claim(store), b"music")
    store.fail(claim(store), BROKEN)
    seen = [api.get(f"/api/v1/generate/{path}").get_json() for path in (f"batch/{batch['batch_id']}", batch["task_id"])]
    assert seen[0] == seen[1]
    assert (seen[0]["status"], seen[0]["progress"], seen[0]["counts"]["failed"]) == ("partial", 100.0, 1)
    done, failed = seen[0]["tasks"]
    assert (done["status"], api.get(done["audio_url"]).data) == ("completed", b"music")
    assert (failed["status"], failed["error"]["code"]) == ("failed", "GENERATION_FAILED")
    assert api.get("/api/v1/generate/nothing").status_code == 404
    assert api.get("/api/v1/generate/batch/nothing").status_code == 404


def test_the_documents_sentences_say_which_request_is_wrong(api: FlaskClient, store: JobStore) -> None:
    requests = [{"prompt": "Piano"}, {"prompt": ""}, {"prompt": "x", "instruments": 3}, {"prompt": "x", "duration": 31}]
    error = api.post("/api/v1/generate/batch", json={"requests": requests[:3]}).get_json()["error"]
    assert error["message"] == "requests[1]: Prompt cannot be empty; requests[2]: Unknown field: instruments"
    assert [fault["field"] for fault in error["details"]["fields"]] == ["requests[1].prompt", "requests[2].instruments"]
    only = api.post("/api/v1/generate/batch", json={"requests": requests[:2]}).get_json()["error"]
    assert only["code"] == "INVALID_PROMPT"
    long = api.post("/api/v1/generate/batch", json={"requests": requests[::3]}).get_json()
    assert fields_of(long) == ["requests[1].duration"]
    assert store.reader.waiting() == {}
