"""Executions: what workflows did because of an event, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from typing_extensions import Unpack

from reevit._call import Call, ListCall, path_of
from reevit._model import Model
from reevit._resource import Kind, Resource, listing, operation
from reevit.resources._shared import Created
from reevit.resources.messages import ListedMessage

ExecutionStatus = Literal["queued", "done", "failed", "skipped"]


class ExecutedAction(Model):
    """One action of an execution. `message` is what it wrote, with what has become of that since."""

    position: int
    type: str
    action: dict[str, Any]
    status: ExecutionStatus | str
    reason: str | None
    reason_message: str | None
    message: ListedMessage | None
    finished_at: datetime | None


class Execution(Model):
    """What a workflow did because of an event. `workflow_id` is a rule's, or the name of a notice."""

    id: str
    org_id: str
    mode: str
    workflow_id: str
    workflow_name: str
    event_id: str
    event_type: str
    customer_id: str | None
    status: ExecutionStatus | str
    reason: str | None
    reason_message: str | None
    created_at: datetime
    finished_at: datetime | None


class ExecutionWithActions(Execution):
    """The same with its actions, in order."""

    actions: list[ExecutedAction]


class ExecutionFilters(Created, total=False):
    """Every one narrows."""

    workflow_id: str
    status: ExecutionStatus
    event_id: str
    customer_id: str


class Executions(Resource[Kind]):
    """``reevit.workflows.executions``, kept as long as their events."""

    @listing
    def list(self, **filters: Unpack[ExecutionFilters]) -> ListCall[Execution]:
        """Executions, newest first."""
        return ListCall(path_of("workflows", "executions"), "executions", Execution, filters)

    @operation
    def get(self, execution_id: str) -> Call[ExecutionWithActions]:
        """An execution with its actions: what was sent, what failed and why. Raises NotFoundError."""
        return Call("GET", path_of("workflows", "executions", execution_id), ExecutionWithActions)

    @listing
    def actions(self, execution_id: str) -> ListCall[ExecutedAction]:
        """All its actions, in order; there are never more than one page."""
        path = path_of("workflows", "executions", execution_id, "actions")
        return ListCall(path, "actions", ExecutedAction, {})
