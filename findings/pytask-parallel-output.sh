#!/usr/bin/env bash
# pytask-parallel 0.5.5 (pytask 0.6.0): what one task prints is reported under another.
#
# Expected: "Captured stdout during call" below a failed task is what that task printed.
# Seen: with two workers, the text belongs to the task that was submitted last. Here the first task prints and fails,
# the second prints nothing and fails later: the report shows the first one's words under the second, none under
# the first. Without workers (-n 1) the report is right. Who looks for the cause reads the wrong task's output.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pytask==0.6.0 pytask-parallel==0.5.5
mkdir "$folder/project"
cd "$folder/project"
cat > task_two.py <<'PYTHON'
import time


def task_speaks(path="a"):
    print("words of the first task")
    raise ValueError("first")


def task_silent(path="b"):
    time.sleep(3)
    raise ValueError("second")
PYTHON
below() {  # the name of the failed task under which the words stand
    awk '/ failed ─/ {for (i = 1; i <= NF; i++) if ($i ~ /::/) task = $i} /^words of the first task/ {print task}'
}
alone=$("$folder/venv/bin/pytask" build -n 1 . | below || true)
workers=$("$folder/venv/bin/pytask" build -n 2 . | below || true)
echo "one process: under $alone; two workers: under $workers"
[[ $alone == *task_speaks && $workers == *task_silent ]]
