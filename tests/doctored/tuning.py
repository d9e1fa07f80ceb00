"""Results of the chapter's experiments, made by hand: on SOUND all claims hold, on DOCTORED one fails."""

from tests.doctored import _tuning_a, _tuning_b

SOUND = _tuning_a.SOUND | _tuning_b.SOUND
DOCTORED = _tuning_a.DOCTORED | _tuning_b.DOCTORED
