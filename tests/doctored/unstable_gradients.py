"""Results of the chapter's experiments, made by hand: on SOUND all claims hold, on DOCTORED one fails."""

from tests.doctored import _unstable_a, _unstable_b

SOUND = _unstable_a.SOUND | _unstable_b.SOUND
DOCTORED = _unstable_a.DOCTORED | _unstable_b.DOCTORED
