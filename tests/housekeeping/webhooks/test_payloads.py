"""A webhook's body is the one that the dialect's document shows, and the native one where it shows none."""

from __future__ import annotations

import base64

import pytest
import redis
from pydantic import TypeAdapter
from standardwebhooks import Webhook as Verifier

from shared.dialects.runpod_notes import RunpodNotes
from shared.jobs.acceptance import NewJob, SubmitContext
from shared.jobs.job import Job
from shared.jobs.response_schemas import TaskWebhook
from shared.jobs.store import JobStore
from shared.music.mix_spec import MixSpec, Part
from shared.settings import Settings
from shared.storage import open_storage
from shared.webhooks.subscription import Webhook
from tests.housekeeping.webhooks.conftest import SECRET, Complete, dispatching, first
from tests.housekeeping.webhooks.receiver import Seen, Server
from tests.shared.steps import Requests, claim, final
from tests.submitting import submit_job


@pytest.fixture
def order(store: JobStore, request_for: Requests, hooks: Server) -> Job:
    """Submit a job as /v1/audio/music does."""
    webhook = Webhook(hooks.url("/")).as_json()
    request = request_for(client_id="music-gen-123")
    return submit_job(store, request, "tiny", account="local", source="v1_audio", webhook=webhook)


def posted(hooks: Server, settings: Settings) -> Seen:
    with dispatching(settings.model_copy(update={"public_url": "https://music.example"})):
        seen = first(hooks)
    Verifier(SECRET).verify(seen.body, seen.headers)
    return seen


def test_v1_audio_posts_the_envelope_that_a_synchronous_call_answers_with(
    order: Job,
    hooks: Server,
    complete: Complete,
    store: JobStore,
    settings: Settings,
    request_for: Requests,
) -> None:
    complete()
    submit_job(store, request_for(), "tiny", account="local", source="tasks")
    envelope = posted(hooks, settings).data
    assert (envelope["endpoint"], envelope["code"], envelope["message"]) == ("/v1/audio/music", 200, "success")
    assert (envelope["id"], envelope["job_id"]) == ("music-gen-123", order.id)
    assert envelope["response"]["output_url"] == f"https://music.example/tasks/{order.id}/audio"
    assert (envelope["response"]["duration"], envelope["response"]["file_size"]) == (2.0, 9)
    assert envelope["queue_length"] == 1


@pytest.mark.parametrize("source", ["v1_audio", "tasks"])
def test_without_a_public_url_links_lead_to_where_the_submission_came_to(
    hooks: Server,
    complete: Complete,
    store: JobStore,
    settings: Settings,
    request_for: Requests,
    source: str,
) -> None:
    webhook = Webhook(hooks.url("/"), base="http://10.0.0.7:8000/music").as_json()
    job = submit_job(store, request_for(), "tiny", account="local", source=source, webhook=webhook)
    complete()
    with dispatching(settings):
        body = first(hooks).data
    link = body["response"]["output_url"] if source == "v1_audio" else body["data"]["audio_url"]
    assert link == f"http://10.0.0.7:8000/music/tasks/{job.id}/audio"


def test_v1_audio_posts_why_there_is_no_music(order: Job, hooks: Server, store: JobStore, settings: Settings) -> None:
    store.fail(claim(store), final("Out of memory"))
    envelope = posted(hooks, settings).data
    assert (envelope["code"], envelope["id"]) == (500, "music-gen-123")
    assert (envelope["message"], envelope["error"]) == ("Music generation failed", "Out of memory")


def test_runpod_posts_what_its_status_route_answers(
    hooks: Server,
    complete: Complete,
    store: JobStore,
    settings: Settings,
    request_for: Requests,
    client: redis.Redis,
) -> None:
    webhook = Webhook(hooks.url("/")).as_json()
    job = submit_job(store, request_for(prompt="calm"), "tiny", account="local", source="runpod", webhook=webhook)
    RunpodNotes(client, 60).remark(job.id, "a remark")
    open_storage(settings).put(f"results/{job.id}/1.wav", b"the audio", "audio/wav")
    complete()
    state = posted(hooks, settings).data
    assert (state["id"], state["status"], state["workerId"]) == (job.id, "COMPLETED", "w1")
    assert base64.b64decode(state["output"]["audio_base64"]) == b"the audio"
    assert (state["output"]["prompt"], state["output"]["seed"], state["output"]["success"]) == ("calm", job.seed, True)
    assert state["output"]["warnings"][0] == "a remark"
    assert state["delayTime"] >= 0
    assert state["executionTime"] >= 0


def test_a_piece_for_several_instruments_posts_its_parts_and_stems(
    hooks: Server,
    complete: Complete,
    store: JobStore,
    settings: Settings,
    request_for: Requests,
) -> None:
    webhook = Webhook(hooks.url("/")).as_json()
    part = Job("part-1", "tiny", request_for(prompt="calm"), part="piano", composition_id="whole-1")
    composition = MixSpec((Part("piano", part.id),), 94, "A minor", "jazz_club")
    whole = Job("whole-1", "tiny", request_for(), webhook=webhook, after=(part.id,), composition=composition)
    store.accept([NewJob.of(job, None, None) for job in (part, whole)], SubmitContext("local"))
    complete()
    complete()
    body = posted(hooks, settings).data
    TypeAdapter(TaskWebhook).validate_python(body)
    data = body["data"]
    assert (data["status"], data["mix_preset"]) == ("completed", "jazz_club")
    assert [(each["name"], each["status"]) for each in data["parts"]] == [("piano", "completed")]
    assert data["result"]["stems"] == {"piano": "https://music.example/tasks/part-1/audio"}
    assert data["result"]["audio_url"] == "https://music.example/tasks/whole-1/audio"


def test_runpod_posts_why_there_is_no_music(
    hooks: Server, store: JobStore, settings: Settings, request_for: Requests
) -> None:
    webhook = Webhook(hooks.url("/")).as_json()
    submit_job(store, request_for(), "tiny", account="local", source="runpod", webhook=webhook)
    store.fail(claim(store), final("Out of memory"))
    state = posted(hooks, settings).data
    assert (state["status"], state["error"]) == ("FAILED", "Out of memory")
    assert "output" not in state
