"""An operator sees workers, lines and the last hour, and drains workers."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import redis
from flask.testing import FlaskClient

from shared.jobs.store import JobStore
from shared.settings import Settings
from tests.api.conftest import TINY
from tests.api.dialects.conftest import bearer
from tests.api.routes.admin.conftest import OperatorClient

SAFE = {"GET", "HEAD", "OPTIONS"}
Audited = Callable[[], list[tuple[str, str, str]]]


def test_a_worker_is_listed_with_all_that_health_says_and_what_it_does(
    operator: OperatorClient, api: FlaskClient, store: JobStore
) -> None:
    api.post("/tasks", json={"prompt": "x"})
    job = store.claim("tiny", "w1")
    assert job is not None
    (worker,) = operator("GET", "/workers")["workers"]
    (known,) = (api.get("/health").json or {})["workers"]
    assert {name: worker[name] for name in known} == known
    assert worker["running"].keys() == {job.id}
    assert worker["real_time_factor"] is None
    assert (worker["slots"], worker["device"], worker["precision"]) == (TINY.slots, TINY.device, TINY.precision)


def test_a_worker_is_drained_and_undrained_and_a_wrong_name_is_told(
    operator: OperatorClient, store: JobStore, audited: Audited
) -> None:
    assert operator("POST", "/workers/w1/drain") == {"worker": "w1", "drained": True}
    assert store.reader.is_drained("w1")
    assert operator("GET", "/workers")["workers"][0]["drained"] is True
    assert operator("POST", "/workers/w1/undrain") == {"worker": "w1", "drained": False}
    assert not store.reader.is_drained("w1")
    refused = operator("POST", "/workers/other/drain", 404)
    assert "'other'" in refused["error"]["message"]
    operator("POST", "/workers/other/undrain", 404)
    assert audited() == [
        ("undrain", "other", "refused"),
        ("drain", "other", "refused"),
        ("undrain", "w1", "done"),
        ("drain", "w1", "done"),
    ]
    assert not store.reader.is_drained("other")


def test_the_queue_and_the_charts_are_those_of_redis_whichever_process_is_asked(
    operator: OperatorClient, api: FlaskClient, store: JobStore, settings: Settings, open_api: Any, client: redis.Redis
) -> None:
    for priority in ("high", "low", "low"):
        api.post("/tasks", json={"prompt": "x", "priority": priority})
    store.claim("tiny", "w1")
    queue = operator("GET", "/queue")
    assert queue["models"][0]["waiting"] == {"high": 0, "normal": 0, "low": 2}
    assert [(each["account"], each["waiting"], each["running"]) for each in queue["accounts"]] == [("local", 2, 1)]
    points = operator("GET", "/charts")["points"]
    assert len(points) == 60
    assert [second["at"] - first["at"] for first, second in pairwise(points)] == [60] * 59
    assert (points[-1]["queue_length"], sum(point["started"] for point in points)) == (2, 1)
    assert operator("GET", "/charts?model=tiny")["points"] == points
    assert not any(point["queue_length"] for point in operator("GET", "/charts?model=other")["points"])
    restarted = open_api(settings).get("/admin/api/charts").json
    assert restarted["points"] == points


def test_every_route_that_changes_something_is_in_the_audit_log(
    operator: OperatorClient, api: FlaskClient, audited: Audited
) -> None:
    """Whatever routes there are: also where it was refused, as all but the key are here."""
    rules = [rule for rule in api.application.url_map.iter_rules() if rule.rule.startswith("/admin/api/")]
    changing = [(method, rule) for rule in rules for method in sorted((rule.methods or set()) - SAFE)]
    assert len(changing) == 8
    for number, (method, rule) in enumerate(changing, 1):
        path = re.sub("<[^>]+>", "nobody", rule.rule)
        answer = api.open(path, method=method, headers=operator.headers, json={"name": "ops", "admin": True})
        assert answer.status_code in (201, 404), f"{method} {path}: {answer.text}"
        if answer.status_code == 201:
            operator.headers = bearer(answer.json["key"])
        action, target, outcome = audited()[0]
        assert len(audited()) == number, f"{method} {path} left no entry"
        assert (action, outcome) != ("", "unknown")
        assert target == "nobody" or outcome == "done"


def test_the_audit_log_is_read_page_by_page_and_says_who(operator: OperatorClient) -> None:
    for worker in ("w1", "w2", "w1"):
        operator("POST", f"/workers/{worker}/undrain", 200 if worker == "w1" else 404)
    page = operator("GET", "/audit?limit=2")
    assert [entry["target"] for entry in page["entries"]] == ["w1", "w2"]
    assert {entry["actor"] for entry in page["entries"]} == {"at this machine, without keys"}
    rest = operator("GET", f"/audit?limit=2&before={page['next_before']}")
    assert ([entry["target"] for entry in rest["entries"]], rest["next_before"]) == (["w1"], None)
    for query, field in (("limit=0", "limit"), ("limit=x", "limit"), ("before=x", "before"), ("before=1-", "before")):
        refused = operator("GET", f"/audit?{query}", 400)
        assert refused["error"]["details"]["fields"][0]["field"] == field
