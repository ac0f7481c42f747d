"""Raw answers on disk: whole lines, appended, whatever ended the writer before."""

import errno
import json
import os
import sys
from pathlib import Path

import pytest

from ingest.answers import Answers
from runner.moments import DAY_US, microseconds

NOON_US = microseconds("2025-10-20T12:00:00Z")
REQUEST = {"path": "/api/v3/klines", "symbol": "SOLUSDT", "startTime": 1}
FILE = "SOLUSDT/2025-10-20/answers.jsonl"


def lines(path: Path) -> list[dict]:
    content = path.read_bytes()
    assert content.endswith(b"\n")
    return [json.loads(line) for line in content.split(b"\n")[:-1]]


def test_a_line_holds_when_what_and_the_body_as_it_came(tmp_path):
    with Answers(tmp_path) as answers:
        answers.append("SOLUSDT", NOON_US, REQUEST, b'[[1,"0.10",\n 1e-7],\r\n []]')
    text = (tmp_path / FILE).read_text("utf-8")
    assert text == (
        '{"fetched_at":1760961600000000,"request":{"path":"/api/v3/klines","symbol":"SOLUSDT",'
        '"startTime":1},"body":[[1,"0.10",  1e-7],   []]}\n'
    )


def test_a_name_is_encoded_and_a_new_day_begins_a_new_file(tmp_path):
    with Answers(tmp_path) as answers:
        for at_us in (NOON_US, NOON_US + DAY_US, NOON_US):
            answers.append("ES=F", at_us, REQUEST, b"[]")
    assert len(lines(tmp_path / "ES%3DF" / "2025-10-20" / "answers.jsonl")) == 2
    assert len(lines(tmp_path / "ES%3DF" / "2025-10-21" / "answers.jsonl")) == 1


@pytest.mark.parametrize("torn", [b'{"fetched_at":17', b"x" * 3_000_000])
@pytest.mark.parametrize("whole", [0, 2])
def test_the_next_writer_cuts_off_a_torn_last_line(tmp_path, torn, whole):
    path = tmp_path / FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(b'{"old":1}\n' * whole + torn)
    with Answers(tmp_path) as answers:
        answers.append("SOLUSDT", NOON_US, REQUEST, b"[]")
    assert [line.get("old") for line in lines(path)] == [1] * whole + [None]


def test_a_large_file_is_followed_by_another_one_also_in_a_later_run(tmp_path):
    for _ in range(3):
        with Answers(tmp_path, largest=500) as answers:
            for _ in range(3):
                answers.append("SOLUSDT", NOON_US, REQUEST, b'["' + b"x" * 100 + b'"]')
    found = sorted((tmp_path / FILE).parent.iterdir(), key=lambda path: (len(path.name), path.name))
    assert [path.name for path in found] == ["answers.jsonl", "answers_2.jsonl", "answers_3.jsonl"]
    assert [len(lines(path)) for path in found] == [3, 3, 3]


def test_the_tenth_file_follows_the_ninth(tmp_path):
    folder = (tmp_path / FILE).parent
    folder.mkdir(parents=True)
    for number in ("", *(f"_{n}" for n in range(2, 11))):
        (folder / f"answers{number}.jsonl").write_bytes(b"{}\n")
    with Answers(tmp_path) as answers:
        answers.append("SOLUSDT", NOON_US, REQUEST, b"[]")
    assert len(lines(folder / "answers_10.jsonl")) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file-size limit of the process")
def test_a_full_disk_leaves_no_half_line_and_is_told(tmp_path):
    import resource
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with Answers(tmp_path) as answers:
            answers.append("SOLUSDT", NOON_US, REQUEST, b"[]")
            size = (tmp_path / FILE).stat().st_size
            for room in (100, 50):
                resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, before[1]))
                with pytest.raises(OSError) as caught:
                    answers.append("SOLUSDT", NOON_US, REQUEST, b'["' + b"x" * 200 + b'"]')
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
                assert (tmp_path / FILE).stat().st_size == size
            answers.append("SOLUSDT", NOON_US, REQUEST, b"[]")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert caught.value.errno == errno.ENOSPC, os.strerror(caught.value.errno)
    assert len(lines(tmp_path / FILE)) == 2
