"""Questions that Ctrl+C ends: DuckDB at work in the main thread may be deaf to it for minutes."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

import duckdb

# On Windows a longer wait is deaf to Ctrl+C.
GLANCE_S = 0.1
# How often a statement is asked to end, before it is left behind in its thread.
TIMES_ASKED = 50

Answer = TypeVar("Answer")


def stoppable(con: duckdb.DuckDBPyConnection, work: Callable[[], Answer]) -> Answer:
    """The answer of work(), which asks `con`, in a thread beside the main one, which waits and
    listens. KeyboardInterrupt where that is stopped; then `con` is to be used no more.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    answer: Future = Future()
    threading.Thread(target=_do, args=(work, answer), daemon=True).start()
    try:
        while wait([answer], timeout=GLANCE_S).not_done:
            pass
    except KeyboardInterrupt:
        for _ in range(TIMES_ASKED):  # again and again: it stops one statement only
            con.interrupt()
            if wait([answer], timeout=GLANCE_S).done:
                break
        raise
    return answer.result()


def _do(work: Callable[[], Answer], answer: Future) -> None:
    try:
        answer.set_result(work())
    except BaseException as error:
        answer.set_exception(error)
