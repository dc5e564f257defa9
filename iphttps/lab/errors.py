"""The errors of the lab."""


class LabError(Exception):
    """A step in the lab failed; the message names the step and the observation."""


class LabUnavailable(LabError):
    """The lab cannot be created here; the message names the missing part and the command that installs it."""


class DeadlinePassed(LabError):
    """A condition was not met in time."""
