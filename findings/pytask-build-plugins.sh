#!/usr/bin/env bash
# pytask 0.6.0: `pytask.build(hook_module=[...])` accepts a plugin, shows it in the session's configuration, never loads it.
#
# Expected: the programmatic interface forwards its keywords to the configuration, so a plugin module works as on
# the command line (`pytask build --hook-module NAME`).
# Seen: the command line calls the plugin's hooks; `pytask.build` with the same module calls none and says nothing,
# nor about a keyword that exists nowhere (frobnicate=3). A reporter or a check written as a plugin is silently absent.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pytask==0.6.0
mkdir "$folder/project"
cd "$folder/project"
cat > plugin.py <<'PYTHON'
from pytask import hookimpl


@hookimpl
def pytask_log_session_header():
    print("the plugin speaks")
PYTHON
cat > task_one.py <<'PYTHON'
def task_one():
    pass
PYTHON
export PYTHONPATH=.
line=$("$folder/venv/bin/pytask" build --hook-module plugin . | grep -c "the plugin speaks" || true)
program='import pathlib, pytask
session = pytask.build(paths=[pathlib.Path(".")], hook_module=["plugin"], frobnicate=3)
print("exit", int(session.exit_code), "configured", session.config["hook_module"])'
said=$("$folder/venv/bin/python" -c "$program")
call=$(grep -c "the plugin speaks" <<< "$said" || true)
tail -1 <<< "$said"
echo "plugin heard: $line on the command line, $call through pytask.build"
[[ $line == 1 && $call == 0 && $said == *"exit 0 configured ['plugin']"* ]]
