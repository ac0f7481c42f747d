"""`python -m benchmarks`: measure, print the tables, and write them to a file."""

import argparse
import shutil
import tempfile
from pathlib import Path

from benchmarks import backfill, capture, queries, raw, rebuild, table

SECTIONS = {
    "capture": capture.measure,
    "raw": raw.measure,
    "rebuild": rebuild.measure,
    "queries": queries.measure,
    "backfill": backfill.measure,
}


def main() -> None:
    """Measure what is asked for, in the order of SECTIONS."""
    options = _options()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="lake-benchmarks-"))
    folder.mkdir(parents=True, exist_ok=True)
    texts = ["# Benchmarks\n", table.machine()]
    print("\n".join(texts), flush=True)
    try:
        for name in options.names or SECTIONS:
            for one in SECTIONS[name](folder, options.quick):
                texts.append(one.text())
                print(texts[-1], flush=True)
                options.output.parent.mkdir(parents=True, exist_ok=True)
                options.output.write_text("\n".join(texts), encoding="utf-8", newline="\n")
    finally:
        if options.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"written to {options.output}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="small data: a minute, to try it out")
    parser.add_argument("--folder", type=Path, help="work here and keep the lakes for another run")
    parser.add_argument(
        "--output", type=Path, default=Path("build/benchmarks.md"), help="[build/benchmarks.md]"
    )
    options = parser.parse_args()
    for name in options.names:
        if name not in SECTIONS:
            parser.error(f"there is no {name!r}; choose from {', '.join(SECTIONS)}")
    return options


if __name__ == "__main__":
    main()
