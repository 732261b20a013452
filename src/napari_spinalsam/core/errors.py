"""The errors that reach the user: one sentence each, with the value and the remedy."""


class SpinalSamError(Exception):
    """A problem that the user can understand and mend.

    The message is one sentence that names the offending value and says what to do.
    """


class InputError(SpinalSamError, ValueError):
    """An image, a prompt, a file or an option that cannot be used as it is."""


class ModelError(SpinalSamError):
    """A model file that is missing, damaged, of another family or for another base."""


class InputWarning(UserWarning):
    """One sentence on an input that can be used: what it lacks and how it is taken.

    It is told with `warnings.warn`; the window shows it, and so does the command line.
    """


class CancelledError(SpinalSamError):
    """The user asked a running job to stop."""
