"""A line for every finished task, as a plugin of pytask; the failures in full at the end."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from textwrap import indent

from pytask import ExecutionReport, PTask, Session, TaskOutcome, hookimpl

from tasks.reporting import describe


@dataclass
class Book:
    """What has happened so far."""

    planned: int = 0
    started: dict[str, float] = field(default_factory=dict)
    outcomes: Counter[TaskOutcome] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def left(self) -> int:
        """How many of the planned tasks have come to no end."""
        return self.planned - self.outcomes.total()

    def summary(self) -> str:
        """How many tasks ran, were up to date, failed, and were left out for a failure before them."""
        ran, failed = self.outcomes[TaskOutcome.SUCCESS], self.outcomes[TaskOutcome.FAIL]
        fresh = self.outcomes[TaskOutcome.SKIP_UNCHANGED]
        rest = self.planned - ran - failed - fresh
        extra = f", {failed} failed" * bool(failed) + f", {rest} left out" * bool(rest)
        return f"{self.planned} tasks: {ran} ran, {fresh} up to date{extra}"


book = Book()


@hookimpl
def pytask_collect_log(reports: list) -> None:
    book.failures.extend(describe(report.exc_info[1]) for report in reports if report.exc_info)


@hookimpl
def pytask_execute_log_start(session: Session) -> None:
    book.planned = len(session.tasks)


@hookimpl(tryfirst=True)
def pytask_execute_task_log_start(task: PTask) -> None:
    book.started[task.name] = time.perf_counter()


@hookimpl(tryfirst=True)
def pytask_execute_task_log_end(session: Session, report: ExecutionReport) -> None:
    book.outcomes[report.outcome] += 1
    name = report.task.base_name
    if report.outcome in (TaskOutcome.SUCCESS, TaskOutcome.FAIL):
        seconds = time.perf_counter() - book.started[report.task.name]
        failed = "  FAILED" if report.outcome == TaskOutcome.FAIL else ""
        print(f"[{book.outcomes.total()}/{book.planned}] {name}  {seconds:.1f} s{failed}", flush=True)
    for warning in session.warnings:
        print(indent(f"{warning.id_}: {warning.message.strip()}", "  "), flush=True)
    session.warnings.clear()
    if report.outcome == TaskOutcome.FAIL:
        book.failures.append(f"{name}\n{indent(describe(report.exc_info[1]), '  ')}")
