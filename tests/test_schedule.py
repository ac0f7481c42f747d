"""`lake schedule`: what is installed can be read by the system that it is for, and goes again.

The programs of the systems are asked where they are here (systemd-analyze, a session of systemd);
else a stand-in program notes how it is called. Task Scheduler's XML is held against what its schema
(version 1.3) allows.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from xml.etree import ElementTree

import click
import lakes
import pytest
from click.testing import CliRunner

import lake
from runner.schedule import systemd, windows
from runner.schedule.jobs import JOBS, KEPT_ALIVE, name, words

posix = pytest.mark.skipif(os.name == "nt", reason="systemd is of Linux, stand-ins have a shebang")

FOLDERS = [
    "plain",
    "with blanks",
    "100% sure",
    "%h and %%n",
    'say "yes"',
    "it's",
    "$HOME and ${PATH}",
    "back\\slash \\n \\",
    "Läke данные 湖",
    "- ; # @!:+|",
    "a" * 120,
]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The user's folders of systemd, empty."""
    for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    return tmp_path / "home" / "systemd"


def program(folder: Path, monkeypatch, named: str, body: str) -> None:
    """Put a stand-in of a system's program in front of PATH; it notes its calls in calls.txt."""
    head = f"""\
        #!{sys.executable}
        import sys
        from pathlib import Path
        here = Path(__file__).parent
        with (here / "calls.txt").open("a") as calls:
            calls.write(" ".join(sys.argv[1:]) + "\\n")
        """
    folder.mkdir(exist_ok=True)
    path = folder / named
    path.write_text(textwrap.dedent(head) + textwrap.dedent(body), encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def calls(folder: Path) -> list[str]:
    """What the stand-in was called with since the last look."""
    text = (folder / "calls.txt").read_text(encoding="utf-8")
    (folder / "calls.txt").unlink()
    return text.splitlines()


@pytest.fixture
def systemctl(tmp_path, monkeypatch, home):
    program(tmp_path / "bin", monkeypatch, "systemctl", "")
    return tmp_path / "bin"


@pytest.fixture
def schtasks(tmp_path, monkeypatch):
    """Task Scheduler as far as schtasks tells of it: tasks are files of tasks/."""
    body = """\
        tasks = here / "tasks"
        tasks.mkdir(exist_ok=True)
        given = dict(zip(sys.argv[2::2], sys.argv[3::2]))
        task = tasks / given["/TN"]
        if sys.argv[1] == "/Create":
            task.write_bytes(Path(given["/XML"]).read_bytes())
        elif not task.exists():
            sys.exit("ERROR: The system cannot find the file specified.")
        elif sys.argv[1] == "/Delete":
            task.unlink()
        """
    program(tmp_path / "bin", monkeypatch, "schtasks", body)
    monkeypatch.setenv("USERDOMAIN", "DESK")
    monkeypatch.setenv("USERNAME", "Zoë & co")
    return tmp_path / "bin"


def schedule(*arguments: str):
    return CliRunner().invoke(lake.cli, ["schedule", *arguments])


def refusal(result) -> str:
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    return result.output


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.rglob("*") if path.is_file()}


# systemd


@posix
@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
@pytest.mark.parametrize("folder", FOLDERS)
def test_systemd_finds_no_fault_in_the_units(tmp_path, systemctl, home, folder):
    file = lakes.make(tmp_path / "lakes" / folder) / "config.yml"
    for jobs in (["run"], ["collect", "build", "compact"]):
        systemd.install(file, jobs)
        units = sorted(map(str, (home / "user").iterdir()))
        assert len(units) == {1: 1, 3: 5}[len(jobs)]
        done = subprocess.run(
            ["systemd-analyze", "verify", "--user", *units],
            capture_output=True,
            text=True,
            env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        )
        assert (done.returncode, done.stderr) == (0, "")


@posix
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_unit_starts_the_command_of_its_job_whatever_the_folder_is_called(tmp_path, folder):
    file = tmp_path / folder / "config.yml"
    for job in JOBS:
        text = systemd.shown(file, [job])
        command = re.search("^ExecStart=(.*)$", text, re.MULTILINE)[1]
        assert shlex.split(command.removeprefix(":").replace("%%", "%")) == words(file, job)
        assert command.startswith(":") == ("$" in command)


def test_every_job_is_a_command_of_the_lake():
    assert set(JOBS) <= set(lake.cli.commands)
    assert words(Path("config.yml"), "build")[:4] == [sys.executable, "-P", "-m", "lake"]


@posix
def test_show_prints_what_install_writes_and_where(lake_folder, systemctl, home):
    shown = schedule("show", "--what", "collect,build,compact", "--config", str(lake_folder)).output
    assert not home.exists()
    assert (
        schedule(
            "install", "--what", "collect,build,compact", "--config", str(lake_folder)
        ).exit_code
        == 0
    )
    for path in (home / "user").iterdir():
        assert f"{path}\n\n{path.read_text()}" in shown


@posix
def test_install_once_more_disturbs_nothing_and_a_change_restarts_what_it_touches(
    lake_folder, systemctl, home
):
    file = lake_folder / "config.yml"
    systemd.install(file, ["run"])
    assert [call.split()[1] for call in calls(systemctl)] == [
        "daemon-reload",
        "daemon-reload",
        "enable",
        "restart",
    ]
    [unit] = (home / "user").iterdir()
    before = unit.stat().st_mtime_ns
    said = systemd.install(file, ["run"])
    assert unit.stat().st_mtime_ns == before and said[0].startswith("as it was")
    assert "restart" not in " ".join(calls(systemctl))
    unit.write_text("[Service]\n")
    systemd.install(file, ["run"])
    assert f"--user restart {unit.name}" in calls(systemctl)


@posix
def test_what_is_not_asked_for_any_more_goes(lake_folder, systemctl, home):
    file = lake_folder / "config.yml"
    systemd.install(file, ["collect", "build", "compact"])
    calls(systemctl)
    said = systemd.install(file, ["run"])
    assert [path.name for path in (home / "user").iterdir()] == [f"{name(file, 'run')}.service"]
    assert sum(line.startswith("removed: ") for line in said) == 3
    done = calls(systemctl)
    for job, units in {"collect": ["service"], "build": ["service", "timer"]}.items():
        names = " ".join(f"{name(file, job)}.{unit}" for unit in units)
        assert f"--user disable --now {names}" in done


@posix
def test_removal_leaves_nothing_and_the_other_lakes_alone(tmp_path, systemctl, home):
    one, other = (lakes.make(tmp_path / place / "lake") / "config.yml" for place in "ab")
    systemd.install(other, ["run"])
    before = files(home)
    systemd.install(one, ["build"])
    (home / "timers").mkdir()
    stamp = home / "timers" / f"stamp-{name(one, 'build')}.timer"
    stamp.write_text("")  # where systemd notes when the timer was last due
    shutil.rmtree(one.parent)  # who removes a lake may forget its schedule
    result = schedule("remove", "--config", str(one.parent))
    assert result.output == f"removed: {name(one, 'build')}.timer\n"
    assert files(home) == before
    again = schedule("remove", "--config", str(one.parent))
    assert (again.exit_code, again.output) == (0, "nothing of this lake is scheduled\n")


@posix
@pytest.mark.parametrize("command", ["install", "remove"])
def test_without_a_session_of_systemd_nothing_is_written_and_the_way_out_is_named(
    lake_folder, systemctl, home, monkeypatch, command
):
    if command == "remove":
        systemd.install(lake_folder / "config.yml", ["run"])
    before = files(home)
    body = "sys.exit('Failed to connect to bus: No medium found')\n"
    program(systemctl, monkeypatch, "systemctl", body)
    told = refusal(schedule(command, "--config", str(lake_folder)))
    assert "log in as yourself" in told and "No medium found" in told
    assert files(home) == before


@posix
def test_a_machine_without_systemd_is_told_so(lake_folder, home, monkeypatch):
    monkeypatch.setenv("PATH", "")
    told = refusal(schedule("install", "--config", str(lake_folder)))
    assert "no systemd on this machine" in told and not home.exists()


@posix
def test_a_folder_of_units_that_cannot_be_written_is_named(lake_folder, systemctl, home):
    home.mkdir(parents=True)
    (home / "user").write_text("a file")
    told = refusal(schedule("install", "--config", str(lake_folder)))
    assert str(home / "user") in told and "cannot be written" in told


@posix
@pytest.mark.skipif(
    not shutil.which("systemctl")
    or subprocess.run(["systemctl", "--user", "daemon-reload"], capture_output=True).returncode,
    reason="no session of systemd here",
)
def test_systemd_itself_starts_a_job_and_forgets_it(tmp_path):
    file = lakes.make(tmp_path / 'my "lake" 100% $HOME') / "config.yml"
    unit = name(file, "build")
    ask = ["systemctl", "--user", "show", "--value", "--property"]
    try:
        systemd.install(file, ["build"])
        subprocess.run(["systemctl", "--user", "start", f"{unit}.service"], check=True)
        assert (file.parent / "lake.db").exists()
        next_time = subprocess.check_output([*ask, "NextElapseUSecRealtime", f"{unit}.timer"])
        assert b":" in next_time
    finally:
        systemd.remove(file)
    for kind in ("timer", "service"):
        assert subprocess.check_output([*ask, "LoadState", f"{unit}.{kind}"]) == b"not-found\n"


# Task Scheduler

NS = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
BOOLEAN, DURATION = "true|false", r"P(T?\d+[DHMS])+"
UTC = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
TRIGGER = {"StartBoundary": UTC, "Repetition": {"Interval": r"PT\d+M"}}
# What the schema allows of all that we write: an element's children in their order, or its text.
SCHEMA = {
    "RegistrationInfo": {"Description": ".*"},
    "Triggers": {
        "BootTrigger": {},
        "TimeTrigger": TRIGGER,
        "CalendarTrigger": TRIGGER | {"ScheduleByDay": {"DaysInterval": r"[1-9]\d?"}},
    },
    "Principals": {
        "Principal": {
            "UserId": ".+",
            "LogonType": "S4U|Password|InteractiveToken",
            "RunLevel": "LeastPrivilege|HighestAvailable",
        }
    },
    "Settings": {
        "MultipleInstancesPolicy": "Parallel|Queue|IgnoreNew|StopExisting",
        "DisallowStartIfOnBatteries": BOOLEAN,
        "StopIfGoingOnBatteries": BOOLEAN,
        "StartWhenAvailable": BOOLEAN,
        "RestartOnFailure": {"Interval": DURATION, "Count": r"[1-9]\d?|1\d\d|2[0-4]\d|25[0-5]"},
        "ExecutionTimeLimit": DURATION,
        "Priority": "[0-9]|10",
    },
    "Actions": {"Exec": {"Command": ".{1,260}", "Arguments": ".*"}},
}


def check(element, allowed: dict | str, path: str = "Task") -> None:
    """Hold an element against what is allowed below it."""
    if isinstance(allowed, str):
        assert re.fullmatch(allowed, element.text or "") and len(element) == 0, path
        return
    names = [child.tag.removeprefix(NS) for child in element]
    assert names == [name for name in allowed if name in names], path
    for child, tag in zip(element, names, strict=True):
        check(child, allowed[tag], f"{path}/{tag}")


def arguments_of(line: str) -> list[str]:
    """A command line as programs on Windows take it apart."""
    found, word, quoted, slashes = [], "", False, 0
    for sign in f"{line} ":
        if sign == "\\":
            slashes += 1
            continue
        word += "\\" * (slashes // 2 if sign == '"' else slashes)
        is_plain, slashes = slashes % 2 == 1, 0
        if sign == '"' and not is_plain:
            quoted = not quoted
        elif sign == " " and not quoted:
            found, word = [*found, word], ""
        else:
            word += sign
    return found


WINDOWS = [
    r"C:\lake\config.yml",
    r"D:\My lake & <co>\config.yml",
    r"C:\Users\Zoë\100% sure\config.yml",
    r"\\server\share\湖\it's\config.yml",
]


@pytest.mark.parametrize("path", WINDOWS)
def test_a_task_is_as_task_schedulers_schema_wants_it_and_starts_its_job(schtasks, path):
    file = Path(path)
    for job in JOBS:
        text = windows.shown(file, [job])
        text = text[text.index("<?xml") : text.index("\nThen:")]
        root = ElementTree.fromstring(text.encode("utf-16"))
        assert root.tag == f"{NS}Task" and root.attrib == {"version": "1.3"}
        check(root, SCHEMA)
        found = {one.tag.removeprefix(NS): one.text for one in root.iter()}
        assert [found["Command"], *arguments_of(found["Arguments"])] == words(file, job)
        assert found["UserId"] == "DESK\\Zoë & co"
        principal, actions = root.find(f".//{NS}Principal"), root.find(f"{NS}Actions")
        assert actions.get("Context") == principal.get("id")
        assert ("BootTrigger" in found) == (job in KEPT_ALIVE)
        # Task Scheduler ends what runs for three days, unless it is told otherwise
        assert found.get("ExecutionTimeLimit") == ("PT0S" if job in KEPT_ALIVE else None)


@posix
def test_tasks_are_registered_started_and_taken_away_again(schtasks, tmp_path):
    file, other = tmp_path / "lake" / "config.yml", tmp_path / "other" / "lake" / "config.yml"
    windows.install(other, ["run"])
    others = set((schtasks / "tasks").iterdir())
    windows.install(file, ["collect", "build", "compact"])
    calls(schtasks)
    for _ in range(2):
        windows.install(file, ["run"])
    [task] = set((schtasks / "tasks").iterdir()) - others
    assert task.name == name(file, "run")
    ElementTree.fromstring(task.read_bytes())
    done = calls(schtasks)
    assert done.count(f"/Run /TN {task.name}") == 2
    assert done.index(f"/End /TN {name(file, 'collect')}") < done.index(
        f"/Delete /TN {name(file, 'collect')} /F"
    )
    assert windows.remove(file) == [f"removed: {task.name}"]
    assert windows.remove(file) == ["nothing of this lake is scheduled"]
    assert set((schtasks / "tasks").iterdir()) == others


@posix
def test_a_task_that_windows_refuses_is_told_with_the_way_out(schtasks, tmp_path, monkeypatch):
    program(schtasks, monkeypatch, "schtasks", "sys.exit('ERROR: Access is denied.')\n")
    with pytest.raises(click.ClickException, match=r"Access is denied.*as administrator"):
        windows.install(tmp_path / "config.yml", ["run"])


@posix
def test_a_machine_without_schtasks_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(click.ClickException, match="schtasks was not found"):
        windows.remove(tmp_path / "config.yml")


def test_a_folder_whose_name_windows_would_change_is_refused():
    with pytest.raises(click.ClickException, match="between two %"):
        windows.shown(Path(r"C:\%TEMP%\lake\config.yml"), ["run"])


# both


def test_names_are_of_the_lake_and_of_letters_that_every_system_takes():
    files = [Path(f"/{folder}/{file}") for folder in FOLDERS for file in ("config.yml", "two.yml")]
    names = {name(file, job) for file in files for job in JOBS}
    assert len(names) == len(files) * len(JOBS)
    assert all(re.fullmatch(r"lake-[a-z0-9-]{10,60}", one) for one in names)


@pytest.mark.parametrize("what", ["", "bars", "run,build", "build,,run"])
def test_what_cannot_be_scheduled_is_wrong_usage(lake_folder, what):
    result = schedule("show", "--what", what, "--config", str(lake_folder))
    assert result.exit_code == 2 and "--what" in result.output


@posix
@pytest.mark.parametrize("folder", ["two\nlines", os.fsdecode(b"\xff")])
def test_a_folder_whose_name_is_no_text_is_refused(tmp_path, systemctl, folder):
    file = lakes.make(tmp_path / folder) / "config.yml"
    told = refusal(schedule("install", "--config", str(file)))
    assert "cannot be scheduled" in told and "another name" in told


def test_a_system_that_we_do_not_know_gets_the_command(lake_folder, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    told = refusal(schedule("install", "--config", str(lake_folder)))
    assert "launchd" in told and "-m lake run --config" in told


def test_a_folder_without_a_lake_is_refused(tmp_path):
    assert "lake init" in refusal(schedule("show", "--config", str(tmp_path)))


def test_a_template_of_the_lakes_own_goes_before_the_shipped_one(lake_folder):
    own = lake_folder / "reports" / "schedule"
    own.mkdir(parents=True)
    (own / "service.jinja").write_text("[Service]\nExecStart={{ command }}\nMemoryMax=2G\n")
    assert "MemoryMax=2G" in systemd.shown(lake_folder / "config.yml", ["run"])
    (own / "service.jinja").write_text("{{ comand }}")
    with pytest.raises(click.ClickException, match="service.jinja.*comand"):
        systemd.shown(lake_folder / "config.yml", ["run"])
