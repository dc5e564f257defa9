"""What goes wrong in the laboratory."""


class LabError(Exception):
    """A step in the laboratory failed; the message says which one and what was seen."""


class LabUnavailable(LabError):
    """No laboratory can be made here; the message is one sentence with what is missing and what to type."""


class DeadlinePassed(LabError):
    """What was waited for did not come in time."""
