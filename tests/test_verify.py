"""Claims at another seed, and by other hands, on a tiny project of their own."""

from __future__ import annotations

import json
import math

import pytest
from tasks import replications, unstable, verify
from tasks.reporting import TaskFailed

from tests.test_tasks import OFF, ON, OPEN, build, claim, edit, mapped, write_project

AXES = {"offset": [1, 2, 3]}


# --- what has come out


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"estimate": -0.3586}, []),  # √2 × 0.1 to the right
        ({"estimate": -0.3585}, ["the number moved too far"]),
        ({"estimate": -0.57}, []),
        ({"estimate": -0.58}, ["the number moved too far"]),
        ({"estimate": math.nan}, ["the number moved too far"]),
        ({"holds": False}, ["the finding no longer holds"]),
        ({"derived": "confirmed"}, ["confirmed, not depends"]),
        ({"map": mapped([ON, OPEN, OFF], AXES)}, []),
        ({"map": mapped([OFF, ON, OFF], AXES)}, ["2 cells crossed over"]),
    ],
)
def test_what_did_not_come_out_as_before(changes, said):
    was = claim(interval=[-0.55, -0.4], map=mapped([ON, OFF, OFF], AXES))
    assert list(verify.misses(was, {**was, **changes})) == said


def test_a_claim_that_is_no_longer_made_and_an_identity():
    assert list(verify.misses(claim(), None)) == ["its experiment no longer makes it"]
    exact = claim(interval=None, estimate=1e-9)
    assert not list(verify.misses(exact, {**exact, "estimate": 2e-9}))


def test_a_number_without_width_may_not_move():
    was = claim(interval=[-0.5, -0.5])
    assert verify.distance(was, was) == 0
    assert verify.distance(was, {**was, "estimate": -0.4}) == math.inf


def test_the_margin_is_that_of_the_decided_cell_next_to_its_side():
    made = mapped([ON, OFF, OPEN], AXES)
    made |= {
        "estimate": [3.0, -1.0, 0.1],
        "low": [1.0, -2.0, -1.0],
        "high": [5.0, -0.5, 1.0],
        "side": [0, None],
    }
    assert verify.margin(claim(map=made)) == 1.5  # 3 and 2 below; −1 and 0.5 above would be 2
    assert verify.margin(claim()) == math.inf


@pytest.mark.parametrize("seed", [None, "", "0", "-1", "1000", "1.5", "one"])
def test_a_seed_that_is_none(seed):
    with pytest.raises(TaskFailed, match="SEED must be from 1 to 999"):
        verify.report(None, seed)


# --- replications

RIGHT = """
import torch

CASES = {"five of ten": ({"n": 10}, "holds"), "one alone": ({"n": 1}, "fails")}


def measured(seed, *, n):
    return (torch.arange(n) >= n / 2).double().mean()


def holds(number):
    return number > 0.3
"""


def replication(root, text, name="half"):
    path = root / f"tests/replications/{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        (RIGHT, "halves", "there is no claim 'halves'"),
        (RIGHT + "\n" * 40, "half", "at most 40 lines"),
        (
            "def measured():\n    from unitgain.layers import RMSNorm\n",
            "half",
            "half.py:2: a replication leans on",
        ),
        ("import experiments.trials as t\n", "half", "nothing of ours, got experiments"),
    ],
)
def test_a_replication_that_is_none(tmp_path, text, name, said):
    replication(tmp_path, text, name)
    with pytest.raises(TaskFailed, match=said):
        replications.scripts(tmp_path, {"half"})


def test_each_set_up_of_a_replication_is_compared_with_what_was_said(tmp_path):
    replication(tmp_path, RIGHT)
    (script,) = replications.scripts(tmp_path, {"half"})
    made = replications.run(script, 1)
    assert [(case["said"], case["number"], case["agrees"]) for case in made] == [
        ("holds", 0.5, True),
        ("fails", 0.0, True),
    ]
    assert "| half | five of ten | holds | 0.5 | agrees |" in replications.table(made)
    replication(tmp_path, RIGHT.replace(".mean()", ".mean() / 0 * 0"))
    with pytest.raises(TaskFailed, match="'five of ten' gave nan"):
        replications.run(script, 1)
    replication(tmp_path, RIGHT.replace('"fails"', '"open"'))
    with pytest.raises(TaskFailed, match="'one alone' must say one of"):
        replications.run(script, 1)


def test_those_of_the_book_are_replications(root):
    claims = {
        one["id"] for one in json.loads((root / "build/claims/claims.json").read_text(encoding="utf-8"))
    }
    assert len(replications.scripts(root, claims)) >= 24
    unstable.known(root, claims)


# --- unstable claims


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[other]\n", "there is no claim 'other'"),
        ("[half]\nseed = 3\n", "half must have seed, date, why"),
        ('[half]\nseed = "3"\ndate = 2026-01-02\nwhy = "?"\n', "half must have seed, date, why"),
    ],
)
def test_a_list_that_is_wrong(tmp_path, text, said):
    path = tmp_path / unstable.LIST
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(TaskFailed, match=said):
        unstable.known(tmp_path, {"half"})


# --- the whole


def row(name, failed) -> dict:
    return {"id": name, "was": claim(), "first": ["it moved"] * failed, "failed": failed}


def test_what_is_listed_as_unstable_is_told_apart():
    known = {name: {"date": "2026-01-02"} for name in ("half", "third")}
    rows, cases = (
        [row("half", True), row("third", False), row("whole", True)],
        [{"id": "half", "agrees": False}],
    )
    said = verify._summary(rows, cases, {"half", "whole"}, known)
    assert "1 of 3 claims stand at once, 2 were repeated again (0.1 expected by chance)" in said
    assert "0 of 1 set-ups of 1 replications agree" in said
    assert "FAILS: whole\n" in said
    assert "FAILS: half" not in said
    assert "unstable, as known since 2026-01-02: half\n" in said
    assert "known as unstable, but stands: third\n" in said


def test_what_fails_is_named_until_it_is_listed_and_what_was_kept_is_not_made_again(tmp_path):
    root = write_project(tmp_path)
    listed = root / unstable.LIST
    listed.write_text("")
    replication(root, RIGHT.replace("n / 2", "0"))  # wrong on purpose
    output, code = build(root, "verify", "3")
    assert code == 1, output
    assert "1 of 1 claims stand at once" in output
    assert "| half | one alone | fails | 1 | DISAGREES: holds |" in output
    assert "FAILS: half" in output

    replication(root, RIGHT.replace("n / 2", "m"))  # broken: it holds up no other
    output, code = build(root, "verify", "3")
    assert code == 1
    assert "verify half, seed 3: tests/replications/half.py:8 in measured" in output

    replication(root, RIGHT)
    moved = "np.linspace(0, HIGH, n) + 0.3 * bool(seed)"
    edit(root / "src/unitgain/draws.py", "np.linspace(0, HIGH, n)", moved)
    output, code = build(root, "verify", "3")
    assert code == 1
    assert "2 of 2 set-ups of 1 replications agree" in output
    assert "the number moved too far; at one more seed: the number moved too far" in output

    listed.write_text('[half]\nseed = 3\ndate = 2026-01-02\nwhy = "It was moved."\n')
    output, code = build(root, "verify", "3")
    assert code == 0
    assert "unstable, as known since 2026-01-02: half" in output
    assert "share  " not in output  # nothing was measured again
