"""The tasks, as pytask reads them. pytask reruns everything when this file changes: keep it a fixed shell."""

import sys
from pathlib import Path

import cloudpickle
from pytask import PythonNode, task

from tasks import cards, digests, discovery, labs, stages

# Functions made in a loop cannot be found again by name: they travel to the workers whole.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

ROOT = Path.cwd()
EXPERIMENTS = discovery.experiments(ROOT)
SOURCES = digests.project_sources(ROOT)


def changes_with(digest: str) -> PythonNode:
    return PythonNode(value=digest, hash=True)


for one in EXPERIMENTS:

    @task(name=f"compute {one.id}")
    def compute(
        experiment: discovery.Experiment = one,
        digest=changes_with(digests.for_compute(SOURCES, one)),
        produces: Path = one.result,
    ) -> None:
        stages.compute(experiment)

    @task(name=f"render {one.id}")
    def render(
        experiment: discovery.Experiment = one,
        digest=changes_with(digests.for_render(SOURCES, one)),
        result: Path = one.result,
        produces: tuple[Path, ...] = one.rendered,
    ) -> None:
        stages.render(experiment)


for one in discovery.labs(ROOT):

    @task(name=f"lab {one.name}")
    def lab(
        lab: discovery.Lab = one,
        digest=changes_with(digests.for_lab(SOURCES, one)),
        produces: tuple[Path, ...] = one.outputs,
    ) -> None:
        labs.execute(lab)


@task(name="ledger of claims")
def ledger(
    root: str = str(ROOT),  # a Path would be a file to depend on
    digest=changes_with(digests.for_ledger(SOURCES, EXPERIMENTS)),
    claims: tuple[Path, ...] = tuple(one.folder / "claims.json" for one in EXPERIMENTS),
    produces: tuple[Path, ...] = tuple(ROOT / "build/claims" / name for name in cards.LEDGER),
) -> None:
    cards.collect(Path(root), claims)


SOURCES.parsed.save()
