"""Building what raw answers of REST sources say: stage new files of them, publish what is stale."""

import duckdb

from runner.build import answer_stage, answer_units, answers
from runner.build.answers import Answers
from runner.build.build import Choice, selected
from runner.build.execute import execute
from runner.build.report import Perhaps, Report
from runner.build.unit import Unit
from runner.build.workers import Workers
from runner.models.models import Models


class AnswersBuild:
    """One build of all relations that are made of raw answers."""

    def __init__(
        self,
        models: Models,
        choice: Choice,
        con: duckdb.DuckDBPyConnection,
        workers: Workers,
        broken: dict[str, str],
        dry_run: bool,
        report: Report,
    ):
        self.models, self.choice, self.con, self.workers = models, choice, con, workers
        self.broken, self.dry_run, self.report = broken, dry_run, report
        self.relations = selected(models, choice.select)
        self.readers = answer_units.readers(models)
        self.files = {
            name: answers.found(models.lake.base, model)
            for name, model in sorted(models.models.items())
            if model.raw and name not in broken
        }

    @property
    def symbols(self) -> set[str]:
        """The symbols and tickers of which there are answers."""
        return {one.symbol for files in self.files.values() for one in files}

    @property
    def is_wanted(self) -> bool:
        """Whether anything that is made of raw answers is asked for."""
        return not self.relations or bool(self.relations & self._own)

    @property
    def is_not_all(self) -> bool:
        """Whether anything else is asked for; views are not built."""
        others = self.relations - (self._own - {"rejects"})
        return not self.relations or any(not self.models[name].is_view for name in others)

    @property
    def _own(self) -> set[str]:
        return {"rejects"}.union(*(self.models.chain(name) for name in self.readers))

    def build(self) -> None:
        """Stage, plan and publish."""
        readers = {"rejects", *self.readers}
        self.workers.share_empty(self.con, *sorted(readers - self.broken.keys()))
        staged = {name: self._staged(name) for name in self.files}
        for relation, name in self.readers.items():
            if name in staged and relation not in self.broken:
                model = self.models[relation]
                force = self.choice.force
                self._publish(answer_units.plan(self.con, self.models, model, staged[name], force))
        everything = {one: note for notes in staged.values() for one, note in notes.items()}
        self._publish(answer_units.reject_units(self.con, self.models, everything))

    def _staged(self, name: str) -> dict[Answers, dict]:
        """The notes of all files of answers of a model; those that are stale are read first."""
        sql = answer_stage.fingerprint(self.models, name)
        notes, stale = {}, []
        for one in self.files[name]:
            if not self.choice.wants_symbol(one.symbol):
                continue
            note = one.note()
            why = one.why_stale(note, sql)
            if one.size is not None and self.choice.from_raw:
                why = why or "asked for"
            if why:
                stale.append((one, why))
            if note:
                notes[one] = note
        self.report.answers += stale
        if self.dry_run:
            self._foresee(name, [one for one, _ in stale])
            return notes
        return notes | self._stage(stale, sql)

    def _foresee(self, name: str, stale: list[Answers]) -> None:
        """Say of which files a dry run cannot know whether they change."""
        made = [relation for relation, read in self.readers.items() if read == name]
        found = [(relation, one.symbol) for one in stale for relation in made]
        found += [("rejects", answer_units.REJECTS)] if stale else []
        self.report.perhaps += [
            Perhaps(relation, symbol, "", "its answers are read")
            for relation, symbol in dict.fromkeys(found)
            if not self.relations or relation in self.relations
        ]

    def _stage(self, stale: list[tuple[Answers, str]], sql: dict[str, str]) -> dict:
        results = self.workers.map(
            lambda con, one: (one, answer_stage.stage(con, self.models, one, sql)),
            [one for one, _ in stale],
            "Staging raw answers",
        )
        done = dict(self.report.good(results))
        self.report.unread += [
            f"{one}, {note['first_reject']}" for one, note in done.items() if note["rejects"]
        ]
        return done

    def _publish(self, units: list[Unit]) -> None:
        units = [unit for unit in units if self.choice.wants(unit, self.relations)]
        if self.dry_run:
            self.report.units += units
            return
        results = self.workers.map(
            lambda con, unit: (unit, execute(con, self.models, unit, 0, False)),
            units,
            "Publishing files",
        )
        for unit, rows in self.report.good(results):
            self.report.units.append(unit)
            self.report.rows += rows
