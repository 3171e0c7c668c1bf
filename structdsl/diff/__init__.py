"""What changes between two plans, and between the values of two specs: pure comparisons, no text and no git."""

from structdsl.diff.plans import Change, Difference, StepChange, compare
from structdsl.diff.values import BlockChange, ValueChange, changed_values

__all__ = ["BlockChange", "Change", "Difference", "StepChange", "ValueChange", "changed_values", "compare"]
