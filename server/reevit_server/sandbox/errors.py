"""What can go wrong with a test clock."""

from reevit_server.core.errors import Conflict, Unprocessable


class ClockIsMoving(Conflict):
    """Somebody is moving this organization's test clock; wait until that request has its answer."""

    code = "clock_is_moving"
    headers = ((b"retry-after", b"1"),)


class ClockOutOfReach(Unprocessable):
    """A test clock goes forward, five years at a time at most and up to 9900; `details.now` tells where it stands."""

    code = "clock_out_of_reach"
