"""Read event streams as they may be: without ids, with comments, with characters that only some take for line ends."""

from __future__ import annotations

import httpx
import pytest
from music_gen import Event, errors
from music_gen.remote.sse import EventStream

URL = httpx.Request("GET", "http://127.0.0.1/tasks/x/events")
BROKEN = httpx.RemoteProtocolError("it ended before the task", request=URL)


def response_of(*chunks: str) -> httpx.Response:
    headers = {"Content-Type": "text/event-stream; charset=utf-8"}
    return httpx.Response(200, headers=headers, content=(chunk.encode() for chunk in chunks), request=URL)


def heard(stream: EventStream, *chunks: str) -> list[Event]:
    return [event for sent in stream.begin(response_of(*chunks)).iter_sse() if (event := stream.read(sent))]


def test_an_event_without_an_id_has_none_and_a_stream_goes_on_after_the_last_that_had_one() -> None:
    stream = EventStream("6-0", 60.0)
    told = heard(
        stream, "event: started\nid: 7-0\ndata: {}\n\nevent: queued\ndata: {}\n\n", "event: progress\nid: 8-0\n"
    )
    assert [(event.name, event.id) for event in told] == [("started", "7-0"), ("queued", None)]
    assert stream.last_id == "7-0", "the stream broke off in the middle of the third"
    assert [event.id for event in heard(stream, "event: progress\nid: 8-0\ndata: {}\n\n")] == ["8-0"]


def test_only_the_ends_of_lines_that_the_standard_names_end_a_line() -> None:
    (event,) = heard(EventStream(None, 60.0), 'event: failed\r\ndata: {"error": "a\u2028b\x85c"}\r', "\n\r\n")
    assert event.data == {"error": "a\u2028b\x85c"}


def test_a_stream_that_brings_at_least_a_comment_is_opened_again_without_end_and_a_silent_one_is_not() -> None:
    talking, silent = EventStream(None, 0.6), EventStream(None, 0.6)
    for _ in range(20):
        assert heard(talking, ": still here\n\n") == []
        assert talking.wait_s(BROKEN) <= 0.25
    with pytest.raises(errors.ConnectionFailed, match="it ended before the task"):
        [silent.wait_s(BROKEN) for _ in range(20) if heard(silent) == []]


def test_the_wait_that_the_server_names_is_kept() -> None:
    stream = EventStream(None, 60.0)
    assert heard(stream, "retry: 3000\n\n") == []
    assert stream.wait_s(BROKEN) == 3.0
