"""A line for every finished task, as a plugin of pytask; the failures in full at the end."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from textwrap import indent

from pytask import ExecutionReport, Session, TaskOutcome, hookimpl

from tasks.reporting import cost, describe


@dataclass
class Log:
    """What has happened so far."""

    planned: int = 0
    outcomes: Counter[TaskOutcome] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    costs: Counter[str] = field(default_factory=Counter)  # CPU seconds a chapter

    @property
    def interrupted(self) -> bool:
        """Whether some of the planned tasks have come to no end."""
        return self.planned > self.outcomes.total()


log = Log()


@hookimpl(tryfirst=True)
def pytask_collect_log(reports: list) -> bool | None:
    """Say what could not be collected; pytask's own report of it is a page of its frames."""
    for report in reports:
        if report.exc_info:
            print(describe(report.exc_info[1]), flush=True)


@hookimpl
def pytask_execute_log_start(session: Session) -> None:
    log.planned = len(session.tasks)


@hookimpl(tryfirst=True)
def pytask_execute_task_log_end(session: Session, report: ExecutionReport) -> bool:
    """A line; pytask would print a letter."""
    log.outcomes[report.outcome] += 1
    name = report.task.name.partition("::")[2] or report.task.name
    failed = report.outcome == TaskOutcome.FAIL
    if failed or report.outcome == TaskOutcome.SUCCESS:
        seconds = cost(name)
        log.costs[re.sub(r"^(compute|render) (.*)/.*", r"\2", name)] += seconds
        print(
            f"[{log.outcomes.total()}/{log.planned}] {name}  {seconds:.1f} s{'  FAILED' * failed}", flush=True
        )
    for warning in session.warnings:
        print(indent(f"{warning.id_}: {warning.message.strip()}", "  "), flush=True)
    session.warnings.clear()
    if failed:
        log.failures.append(f"{name}\n{indent(describe(report.exc_info[1]), '  ')}")
    return True


@hookimpl
def pytask_execute_log_end() -> None:
    for failure in log.failures:
        print(f"\n{failure}\n", flush=True)
    if log.outcomes[TaskOutcome.SUCCESS] > 1:
        costs = ", ".join(f"{name} {seconds:.0f}" for name, seconds in sorted(log.costs.items()))
        print(f"CPU seconds: {costs}", flush=True)
