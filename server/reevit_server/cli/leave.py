"""How a server takes leave: it says so, so that load balancers send requests elsewhere, and only then stops."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress

_WORD = signal.SIGUSR1
_REPEAT_SECONDS = 0.1


def expect_the_word() -> None:
    """In the supervisor, before it starts API processes: they must not die of the word before they know it."""
    signal.signal(_WORD, signal.SIG_IGN)  # what is ignored stays so in a process that is started


def when_the_word_comes(leave: Callable[[], None]) -> None:
    """In an API process: calls `leave` when the supervisor is about to stop."""
    signal.signal(_WORD, lambda *_: leave())


def say_so_before(stop: Callable[[], None], *, seconds: float) -> None:
    """In the supervisor: from now on SIGTERM gives the word, and `stop` is called so many seconds later.

    A second SIGTERM stops at once.
    """
    leaving = False

    def on_sigterm(*_: object) -> None:
        nonlocal leaving
        if leaving or not seconds:
            stop()
            return
        leaving = True
        threading.Thread(target=_say_so, args=(stop, seconds), name="leave", daemon=True).start()

    signal.signal(signal.SIGTERM, on_sigterm)


def _say_so(stop: Callable[[], None], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        for process in multiprocessing.active_children():  # again and again: one may just have been started
            assert process.pid is not None, "it was started"
            with suppress(ProcessLookupError):
                os.kill(process.pid, _WORD)
        time.sleep(min(left, _REPEAT_SECONDS))
    stop()
