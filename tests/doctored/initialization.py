"""Results of the chapter's experiments, made by hand: on SOUND all claims hold, on DOCTORED one fails."""

from tests.doctored import _initialization_a, _initialization_b

SOUND = _initialization_a.SOUND | _initialization_b.SOUND
DOCTORED = _initialization_a.DOCTORED | _initialization_b.DOCTORED
