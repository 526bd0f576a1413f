"""What can go wrong, as exceptions whose message is the one sentence a user reads.

The message says what is wrong, where (file, frame, field) and what to do next; `exit_code` is what the command
line ends with.
"""

from __future__ import annotations


class PtrackError(Exception):
    """Base of every error that ptrack raises on purpose."""

    exit_code = 1


class SequenceFailed(PtrackError):
    """One sequence could not be done; the others go on (exit code 1)."""


class UsageError(PtrackError):
    """The command was asked for something that does not exist or does not fit together."""

    exit_code = 2


class BadInput(PtrackError):
    """A file's content cannot be used; the message names file, frame and field."""

    exit_code = 3


class BadLayout(BadInput):
    """A folder is not laid out in any of the ways ptrack reads."""


class BadRecord(BadInput):
    """A stage's record is damaged, incomplete or does not belong here."""
