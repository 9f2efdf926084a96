"""What can go wrong with the local stack, as sentences for the person at the terminal.

LocalStackError
├── MissingTool      install something, then run again
└── StartFailed      a process did not come up; its log says why
"""


class LocalStackError(Exception):
    """The local stack cannot go on. The message is one sentence that says what to do."""


class MissingTool(LocalStackError):
    """A program the stack needs is not installed. Install it, then run again."""


class StartFailed(LocalStackError):
    """A process of the stack ended or stayed silent while starting. The message names its log."""
