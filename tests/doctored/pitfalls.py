"""Results of the chapter's experiments, made by hand: on SOUND all claims hold, on DOCTORED one fails."""

from tests.doctored import _pitfalls_a, _pitfalls_b

SOUND = _pitfalls_a.SOUND | _pitfalls_b.SOUND
DOCTORED = _pitfalls_a.DOCTORED | _pitfalls_b.DOCTORED
