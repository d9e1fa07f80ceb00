"""Results of the chapter's experiments, made by hand: on SOUND all claims hold, on DOCTORED one fails."""

from tests.doctored import _activations_a, _activations_b

SOUND = _activations_a.SOUND | _activations_b.SOUND
DOCTORED = _activations_a.DOCTORED | _activations_b.DOCTORED
