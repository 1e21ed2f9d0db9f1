"""What can go wrong with workflows."""

from reevit_server.core.errors import Conflict, NotFound, Unprocessable


class TemplateNotFound(NotFound):
    """There is no such template in this organization and mode."""

    code = "template_not_found"


class TemplateNameTaken(Conflict):
    """Another template has this name; `details.template_id` is it."""

    code = "template_name_taken"


class TemplateInUse(Conflict):
    """A rule says what this template says; `details.rule_id` is it. Change the rule first."""

    code = "template_in_use"


class RuleNotFound(NotFound):
    """There is no such rule in this organization and mode."""

    code = "rule_not_found"


class TooManyRules(Unprocessable):
    """An organization has at most 100 rules in each mode; delete one first."""

    code = "too_many_rules"


class ExecutionNotFound(NotFound):
    """There is no such execution in this organization and mode; executions are kept as long as their events."""

    code = "execution_not_found"


class TemplateFails(Unprocessable):
    """The template cannot be rendered with this event; `details` tells which part of it, and where."""

    code = "template_fails"
