"""The errors of the lab."""


class LabError(Exception):
    """A step in the lab failed; the message names the step and the observation."""


class LabUnavailable(LabError):
    """The lab cannot be created here; the message is one sentence: what is missing and what to type."""


class DeadlinePassed(LabError):
    """A condition was not met in time."""
