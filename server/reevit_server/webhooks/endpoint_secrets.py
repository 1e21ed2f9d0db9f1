"""Where signing secrets lie: sealed, in their endpoint's row, the last one beside the present while both are good."""

from datetime import datetime

from reevit_server.core.database import Row
from reevit_server.core.scope import Scope
from reevit_server.core.sealing import Sealer


def sealed(sealer: Sealer, scope: Scope, endpoint_id: str, secret: str) -> bytes:
    return sealer.seal(secret.encode(), about=_place(scope, endpoint_id))


def current(sealer: Sealer, scope: Scope, endpoint: Row) -> str:
    return _open(sealer, scope, endpoint, "secret")


def opened(sealer: Sealer, scope: Scope, endpoint: Row, *, now: datetime) -> list[str]:
    """The secrets that sign now, the newest first."""
    secrets = [current(sealer, scope, endpoint)]
    if endpoint["previous_secret"] is not None and endpoint["previous_secret_until"] > now:
        secrets.append(_open(sealer, scope, endpoint, "previous_secret"))
    return secrets


def _open(sealer: Sealer, scope: Scope, endpoint: Row, column: str) -> str:
    return sealer.open(endpoint[column], about=_place(scope, endpoint["id"])).decode()


def _place(scope: Scope, endpoint_id: str) -> str:
    return f"webhook_endpoints/{scope.org_id}/{scope.mode}/{endpoint_id}"
