"""What can go wrong with the embedded stack. Each message is one line: what is wrong, and what to do next.

EmbeddedError
├── AlreadyRunning     another `allot up` or `allot demo` owns the state directory
├── Missing            a program that has to be on the machine is not there
└── StartFailed        a process did not start, or ended while it was needed
"""

from __future__ import annotations


class EmbeddedError(Exception):
    """Root of this tree."""


class AlreadyRunning(EmbeddedError):
    """The state directory belongs to a stack that runs."""


class Missing(EmbeddedError):
    """A program is not on this machine."""


class StartFailed(EmbeddedError):
    """A process did not come up, or ended by itself."""
