"""One thread while it is needed, whatever becomes of the one before."""

from __future__ import annotations

import threading
import time

import pytest

from shared import background_thread
from shared.background_thread import BackgroundThread
from tests.stack.waiting import wait_for

NAME = "worked-for"


class Need:
    """Something to do until `over`; `raises` is what doing it raises next."""

    def __init__(self) -> None:
        self.over = False
        self.rounds = 0
        self.raises: BaseException | None = None
        self.thread = BackgroundThread(NAME, self.work, lambda: not self.over)

    def work(self) -> None:
        time.sleep(0.005)
        self.rounds += 1
        error, self.raises = self.raises, None
        if error is not None:
            raise error

    def goes_on(self) -> bool:
        before = self.rounds
        return wait_for(lambda: self.rounds > before + 2)


def living() -> int:
    return sum(thread.name == NAME for thread in threading.enumerate())


def test_there_is_one_thread_however_often_it_is_asked_for_and_none_when_it_is_over() -> None:
    need = Need()
    askers = [threading.Thread(target=lambda: [need.thread.ensure() for _ in range(50)]) for _ in range(8)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert need.goes_on()
    assert living() == 1
    need.over = True
    assert wait_for(lambda: living() == 0)
    need.over = False
    need.thread.ensure()
    assert need.goes_on()
    need.over = True
    assert wait_for(lambda: living() == 0)


def test_an_error_is_logged_and_the_same_thread_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background_thread, "RETRY_S", 0.01)
    need = Need()
    need.thread.ensure()
    need.raises = ValueError("nobody foresaw this")
    assert wait_for(lambda: "nobody foresaw this" in caplog.text)
    assert need.goes_on()
    need.over = True
    assert wait_for(lambda: living() == 0)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_one_that_is_killed_is_replaced_at_the_next_asking() -> None:
    need = Need()
    need.thread.ensure()
    need.raises = SystemExit()
    assert wait_for(lambda: living() == 0)
    need.thread.ensure()
    assert need.goes_on()
    need.over = True
    assert wait_for(lambda: living() == 0)
