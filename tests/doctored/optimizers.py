"""Results of the chapter's experiments, made by hand: on SOUND all claims hold, on DOCTORED one fails."""

from tests.doctored import _optimizers_a, _optimizers_b

SOUND = _optimizers_a.SOUND | _optimizers_b.SOUND
DOCTORED = _optimizers_a.DOCTORED | _optimizers_b.DOCTORED
