"""What can go wrong with workflows."""

from reevit_server.core.errors import Conflict, NotFound, Unprocessable


class TemplateNotFound(NotFound):
    """There is no such template in this organization and mode."""

    code = "template_not_found"


class TemplateNameTaken(Conflict):
    """Another template has this name; `details.template_id` is it."""

    code = "template_name_taken"


class TemplateFails(Unprocessable):
    """The template cannot be rendered with this event; `details` tells which part of it, and where."""

    code = "template_fails"
