"""Optional filters of a list: only the conditions that were asked for reach the planner."""

from typing import Any


class Where:
    """Conditions joined by AND, and their parameters in order; `{}` in a condition is its parameter."""

    def __init__(self, *values: Any) -> None:
        self.values: list[Any] = list(values)
        self._conditions: list[str] = []

    def add(self, condition: str, *values: Any) -> None:
        self._conditions.append(condition.format(*(self.parameter(value) for value in values)))

    def add_if(self, condition: str, value: Any) -> None:
        """The condition, if its value was given."""
        if value is not None:
            self.add(condition, value)

    def parameter(self, value: Any) -> str:
        """A further parameter's name, for use outside the conditions."""
        self.values.append(value)
        return f"${len(self.values)}"

    def __str__(self) -> str:
        return " AND ".join(self._conditions)


def page(rows: int, *, offset: int = 0) -> str:
    """LIMIT and OFFSET, as literals.

    Of a parameter PostgreSQL thinks that it may be a tenth of the table, finds a prepared plan for that too dear, and
    plans anew at each request, which takes longer than to run the plan.
    """
    return f"LIMIT {rows:d} OFFSET {offset:d}"
