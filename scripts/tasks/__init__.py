"""The task engine: what it takes to turn experiments and labs into what the pages show.

`python -m tasks` runs it. pytask reads the fixed shell `task_build.py`; the modules beside it do the work.
"""
