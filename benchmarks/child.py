"""One piece of work in a process of its own: `python -m benchmarks.child STARTED JOB` with its
arguments as JSON on stdin; the last line on stdout says what it took.

`preload`, a file, lists modules whose import counts as start-up; where it is missing it is written,
from all that the work has imported.
"""

import contextlib
import importlib
import json
import sys
import time
from pathlib import Path


def main() -> None:
    started, job = float(sys.argv[1]), sys.argv[2]
    arguments = json.load(sys.stdin)
    preload = arguments.pop("preload", None)
    try:
        _import(preload)
        module, _, name = job.rpartition(".")
        work = getattr(importlib.import_module(f"benchmarks.jobs.{module}"), name)
    except ImportError as error:
        print(json.dumps({"missing": error.name}))
        return
    begun, cpu = time.time(), time.process_time()
    result = work(**arguments)
    told = {
        "startup_s": begun - started,
        "work_s": time.time() - begun,
        "cpu_s": time.process_time() - cpu,
        "peak_mb": _peak_mb(),
        "result": result,
    }
    if preload and not Path(preload).exists():
        Path(preload).write_text(json.dumps(list(sys.modules)), encoding="utf-8")
    print(json.dumps(told))


def _import(preload: str | None) -> None:
    if preload and Path(preload).exists():
        for name in json.loads(Path(preload).read_text(encoding="utf-8")):
            with contextlib.suppress(ImportError):
                importlib.import_module(name)


def _peak_mb() -> float | None:
    """The most memory this process, or a child that has ended, has held; None where no system call
    tells.
    """
    try:
        import resource
    except ImportError:
        return None
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return max(own, children) / unit


if __name__ == "__main__":
    main()
