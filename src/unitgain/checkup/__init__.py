"""Why does a network not learn? `checkup` names the cause, shows the evidence, and gives the fix as code.

It trains copies: as the user does, and without one suspected cause after the other. Where the network
learns, only what is proven is reported; where it does not, a cause is named when a copy without it learns.
"""

from .catalogue import FAULTS, Fault
from .examination import assert_trainable, checkup
from .report import Finding, Report

__all__ = ["FAULTS", "Fault", "Finding", "Report", "assert_trainable", "checkup"]
