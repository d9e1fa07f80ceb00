"""What each layer and unit of a network does with the data, as data: nothing here prints, draws or advises.

`activity` asks one question of one set of examples; `observe` watches a training loop from outside, forward,
backward and update, and leaves no trace in it.
"""

from .measures import correlation, effective_rank, saturation
from .observation import Observation, observe
from .records import LayerGradient, LayerSignal, StepRecord
from .units import LayerActivity, activity

__all__ = [
    "LayerActivity",
    "LayerGradient",
    "LayerSignal",
    "Observation",
    "StepRecord",
    "activity",
    "correlation",
    "effective_rank",
    "observe",
    "saturation",
]
