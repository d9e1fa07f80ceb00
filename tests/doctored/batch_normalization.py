"""Results of the chapter's experiments, made by hand: on SOUND all claims hold, on DOCTORED one fails."""

from tests.doctored import _batch_normalization_a, _batch_normalization_b

SOUND = _batch_normalization_a.SOUND | _batch_normalization_b.SOUND
DOCTORED = _batch_normalization_a.DOCTORED | _batch_normalization_b.DOCTORED
