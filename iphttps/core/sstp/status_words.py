"""Descriptions of the statuses of Call Abort, Call Disconnect and Call Connect NAK ([MS-SSTP] 2.2.8)."""

from __future__ import annotations

from .attributes import Status, StatusInfo

__all__ = ["status_words"]

_STATUS: dict[int, str] = {
    Status.DUPLICATE_ATTRIBUTE: "an attribute twice",
    Status.UNRECOGNIZED_ATTRIBUTE: "an unknown attribute",
    Status.INVALID_ATTRIB_VALUE_LENGTH: "an attribute of the wrong length",
    Status.VALUE_NOT_SUPPORTED: "a value that is not supported",
    Status.UNACCEPTED_FRAME_RECEIVED: "a message that this state does not accept",
    Status.RETRY_COUNT_EXCEEDED: "too many attempts",
    Status.INVALID_FRAME_RECEIVED: "an invalid message",
    Status.NEGOTIATION_TIMEOUT: "the negotiation takes too long",
    Status.ATTRIB_NOT_SUPPORTED_IN_MSG: "an attribute that this message does not have",
    Status.REQUIRED_ATTRIBUTE_MISSING: "an attribute is missing",
    Status.STATUS_INFO_NOT_SUPPORTED_IN_MSG: "a status that this message does not have",
}


def status_words(status: StatusInfo | None) -> str:
    """Return a colon and the description of a Status Info, for the end of a sentence; "" without a status."""
    if status is None or status.status == Status.NO_ERROR:
        return ""
    return f": {_STATUS.get(status.status, f'status {status.status}')}"
