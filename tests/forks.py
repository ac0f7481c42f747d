"""`lake` commands in forked processes that may kill themselves at any step: no import to wait for.

A step is a file operation that Python is about to do (an audit event), or a statement that DuckDB
is about to run, named by the function of ours that asks for it: `publish.move: os.rename`.
Run as a script this is the server that forks; tests use `Forks`. POSIX only.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parent.parent
OURS = tuple(str(ROOT / name) for name in ("runner", "ingest"))
FILE_EVENTS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link"}
FILE_EVENTS |= {"shutil.rmtree", "shutil.copyfile", "fcntl.flock"}
# Functions whose call is a step too: DuckDB does their work, unseen by Python.
CALLS = {"_copy", "_reject", "_write", "_swap", "_foreign"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True)
class Kill:
    """Die at the `nth` time (from 1) that a step comes, or `after_s` later, within what follows."""

    step: str
    nth: int = 1
    after_s: float = 0.0


class Forks:
    """A server of forked commands. Its children see the modules as they were when it started.

    `modules`: more to import, by name; `environment`: of the server, in place of ours.
    """

    def __init__(self, *modules: str, environment: dict[str, str] | None = None) -> None:
        self._modules, self._environment = modules, environment

    def __enter__(self) -> "Forks":
        command, pipe = [sys.executable, str(Path(__file__)), *self._modules], subprocess.PIPE
        self._server = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT, env=self._environment
        )
        return self

    def __exit__(self, *error: object) -> None:
        self._server.stdin.close()
        self._server.wait(20)
        self._server.stdout.close()

    def run(
        self,
        *arguments: str,
        kill: Kill | None = None,
        trace: Path | None = None,
        hook: str = "",
    ) -> tuple:
        """Exit code (negative: the signal that ended it) and output of `lake <arguments>`.

        `trace`: a file for the steps that were taken, a line each; `hook`: `module.function`, which
        the process calls first.
        """
        order = {"arguments": arguments, "kill": kill and asdict(kill), "trace": str(trace or "")}
        order["hook"] = hook
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        code, output = json.loads(self._server.stdout.readline())
        return code, output


def _serve(orders: Iterable[str], modules: Iterable[str]) -> None:
    import duckdb  # noqa: F401
    import jinja2  # noqa: F401
    import sqlglot  # noqa: F401

    import lake  # noqa: F401
    from ingest.collect import collector  # noqa: F401
    from runner import lake_db, logs  # noqa: F401
    from runner.build import build, exchange  # noqa: F401

    for name in modules:
        import_module(name)
    with Path(os.devnull).open() as nothing:
        for order in orders:
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                os.dup2(nothing.fileno(), 0)
                for descriptor in (1, 2):
                    os.dup2(writing, descriptor)
                _child(**json.loads(order))
            os.close(writing)
            with os.fdopen(reading, encoding="utf-8") as told:
                output = told.read()
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            print(json.dumps([code, output]), flush=True)


def _child(arguments: list[str], kill: dict | None, trace: str, hook: str) -> None:
    """Run one command; never returns."""
    import lake

    sys.argv[:] = ["lake", *arguments]
    code = 1
    try:
        if hook:
            module, _, name = hook.rpartition(".")
            getattr(import_module(module), name)()
        if kill or trace:
            _watch(
                Kill(**kill) if kill else None,
                os.open(trace, os.O_WRONLY | os.O_CREAT) if trace else None,
            )
        lake.cli(arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        threading._shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _watch(kill: Kill | None, trace: int | None) -> None:
    """Notice every step of all threads; `trace`: the descriptor of a file for them."""
    met = 0

    def step(what: str, frame) -> None:
        nonlocal met
        while frame and not _is_ours(frame):
            frame = frame.f_back
        if frame is None:
            return
        name = f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}: {what}"
        if trace:
            os.write(trace, f"{name}\n".encode())
        if kill and name == kill.step:
            met += 1
            if met == kill.nth:
                _die(kill.after_s)

    def audit(event: str, arguments: tuple) -> None:
        if event in FILE_EVENTS or (event == "open" and arguments[2] & WRITES):
            step(event, sys._getframe(1))

    def profile(frame, event: str, called) -> None:
        if event == "call" and frame.f_code.co_name in CALLS and _is_ours(frame):
            step(event, frame)

    sys.addaudithook(audit)
    if kill is None or kill.step.endswith("call"):
        threading.setprofile(profile)
        sys.setprofile(profile)


def _is_ours(frame) -> bool:
    """Whether a frame runs our code; what moves files for others is named by who asks for it."""
    file = frame.f_code.co_filename
    return file.startswith(OURS) and not file.endswith("files.py")


def _die(after_s: float) -> None:
    """SIGKILL now, or soon by an alarm that nobody handles, whatever the threads do by then."""
    if not after_s:
        os.kill(os.getpid(), signal.SIGKILL)
    signal.setitimer(signal.ITIMER_REAL, after_s)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]
    _serve(sys.stdin, sys.argv[1:])
