"""Results of the chapter's experiments, made by hand: on SOUND all claims hold, on DOCTORED one fails."""

from tests.doctored import _preprocessing_a, _preprocessing_b

SOUND = _preprocessing_a.SOUND | _preprocessing_b.SOUND
DOCTORED = _preprocessing_a.DOCTORED | _preprocessing_b.DOCTORED
