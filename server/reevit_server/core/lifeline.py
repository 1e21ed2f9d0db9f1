"""A child process must not outlive its supervisor: an orphan would keep the port and old code alive."""

import os
import threading
import time

_CHECK_SECONDS = 0.5


def hold() -> None:
    """Ends this process within a second of its parent's death, however the parent died."""
    parent = os.getppid()
    threading.Thread(target=_watch, args=(parent,), name="lifeline", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_CHECK_SECONDS)
    # Not sys.exit: nobody is left to wait for a tidy end, and what was acknowledged is committed.
    os._exit(1)
