"""One case for each rule of every public function: what is wrong, and what the error must say."""

from collections.abc import Callable
from typing import NamedTuple


class Case(NamedTuple):
    """A call that must be refused: `where` is `module.function`, `message` a part of what the error says."""

    where: str
    call: Callable[[], object]
    error: type[Exception]
    message: str
