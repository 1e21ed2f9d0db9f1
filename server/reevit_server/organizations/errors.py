"""What can go wrong with an organization."""

from reevit_server.core.errors import NotFound


class OrganizationNotFound(NotFound):
    """There is no such organization; `reevit orgs list` shows those there are."""

    code = "organization_not_found"
