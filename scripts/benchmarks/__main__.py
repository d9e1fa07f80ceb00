"""Every row beside its target: `PYTHONPATH=scripts python -m benchmarks [module …]`."""

import importlib
import json
import os
import pkgutil
import sys
from pathlib import Path

import benchmarks
from benchmarks.measure import Row

RESULT = Path("build/benchmarks.json")
NOT_MODULES = ("__main__", "measure")


def main(names: list[str]) -> int:
    """Print the rows of the modules `names`, by default all, and write RESULT; return 1 if any misses."""
    names = names or [m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name not in NOT_MODULES]
    rows: list[Row] = []
    print(f"{'work':<62} {'peer':<24} {'seen':>9}   target", flush=True)
    for name in names:
        for row in importlib.import_module(f"benchmarks.{name}").rows():
            sign, mark = "≥" if row.at_least else "≤", "" if row.met else "  MISSED"
            print(f"{row.work:<62} {row.peer:<24} {row.value:>9.3g} {sign} {row.target:g}{mark}", flush=True)
            rows.append(row)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    beside = RESULT.with_suffix(f".{os.getpid()}.tmp")
    beside.write_text(
        json.dumps([{**row._asdict(), "met": row.met} for row in rows], indent=1, ensure_ascii=False)
    )
    beside.replace(RESULT)
    return int(not all(row.met for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
