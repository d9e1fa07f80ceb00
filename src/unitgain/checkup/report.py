"""What `checkup` reports: findings, and the words, the table and the figure of them."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import Any

from .catalogue import FAULTS

__all__ = ["Finding", "Report"]

SEVERITIES = ("error", "warning")
BASES = ("proven", "cured", "seen")  # how it is known, the surest first


@dataclass(frozen=True)
class Finding:
    """One cause.

    Attributes:
        name: Its name in the catalogue, as "rate-too-high"; `id` is its stable number, as "UG051".
        evidence: What was measured, with what it should be.
        basis: "proven" by a fact, "cured" when a copy without it learned, or "seen" as a symptom.
        gain: By how much the skill rose on the copy that was cured, 0 for a proven fact.
        layer: The layer or parameter it is about, "" for all.
        better: A number for the fix, as the learning rate that worked.
    """

    name: str
    evidence: str
    basis: str = "proven"
    gain: float = 0.0
    layer: str = ""
    better: str = ""

    @property
    def id(self) -> str:
        """Its stable number."""
        return FAULTS[self.name].id

    @property
    def severity(self) -> str:
        """ "error" for what is proven or cured, "warning" for a symptom."""
        return SEVERITIES[self.basis == "seen"]

    @property
    def cause(self) -> str:
        """What is wrong, in a sentence."""
        return FAULTS[self.name].cause

    @property
    def fix(self) -> str:
        """What to write instead, as code."""
        return FAULTS[self.name].fix.replace("{better}", self.better or "1e-3")

    @property
    def page(self) -> str:
        """The section that measured it, a path below the site's address."""
        return FAULTS[self.name].page

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        names = ("id", "name", "severity", "basis", "layer", "cause", "evidence", "fix", "page")
        return {name: getattr(self, name) for name in names}

    def __str__(self) -> str:
        where = f" ({self.layer})" if self.layer else ""
        fix = self.fix.replace("\n", "\n         ")
        return (
            f"{self.id} {self.name}{where}: {self.cause}\n"
            f"   seen: {self.evidence}\n   fix:  {fix}\n   read: {self.page}"
        )


@dataclass(frozen=True)
class Report:
    """What a check-up found: the most probable cause first. It is true where there is a finding.

    Attributes:
        findings: At most as many as were asked for.
        skill: What the network learned in the check-up, from 0, the best constant output, to 1; NaN unknown.
        reference: What a small sound network learned of the same data, on rows held out.
        seconds: How long it took.
        losses: Of the network's steps in the check-up.
        notes: What could not be looked at.
    """

    findings: tuple[Finding, ...]
    skill: float
    reference: float
    seconds: float
    losses: tuple[float, ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.findings)

    @property
    def summary(self) -> str:
        """One line."""
        learned = "" if self.skill != self.skill else f"; it learned {self.skill:.2f}"
        beside = "" if self.reference != self.reference else f", a small sound network {self.reference:.2f}"
        if not self.findings:
            return f"Nothing found{learned}{beside} (0: the best constant output, 1: perfect)."
        count = len(self.findings)
        names = ", ".join(one.name for one in self.findings)
        return f"{count} finding{'s' * (count > 1)}: {names}{learned}{beside}."

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON; a skill that is not known is None."""
        known = {
            name: None if (value := getattr(self, name)) != value else value
            for name in ("skill", "reference", "seconds")
        }
        found = [one.to_dict() for one in self.findings]
        return {"summary": self.summary, "findings": found, **known, "notes": list(self.notes)}

    def __str__(self) -> str:
        return "\n\n".join([self.summary, *map(str, self.findings), *self.notes])

    def _repr_html_(self) -> str:
        parts = [f"<p><strong>{html.escape(self.summary)}</strong></p>"]
        for one in self.findings:
            said = [
                html.escape(text) for text in (one.id, one.name, one.layer, one.cause, one.evidence, one.fix)
            ]
            layer = f" <code>{said[2]}</code>" if one.layer else ""
            parts.append(
                f"<p>{said[0]} <strong>{said[1]}</strong>{layer}: {said[3]}<br><em>{said[4]}</em></p>"
                f"<pre><code>{said[5]}</code></pre>"
            )
        return "\n".join(parts)
