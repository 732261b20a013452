"""The errors that reach the user: one sentence each, with the value and the remedy."""


def printable(text: str) -> str:
    """Return text that every stream and window can show.

    Bytes of a file's name that are not UTF-8 come as half characters from the file
    system; they are shown as escapes, and as what they are where the locale alone hid
    that they are UTF-8.
    """
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a character that is no byte
        raw = text.encode("utf-8", "backslashreplace")
    return raw.decode("utf-8", "backslashreplace")


class SpinalSamError(Exception):
    """A problem that the user can understand and mend.

    The message is one sentence that names the offending value and says what to do.
    """

    def __init__(self, sentence: str = "") -> None:
        super().__init__(printable(sentence))


class InputError(SpinalSamError, ValueError):
    """An image, a prompt, a file or an option that cannot be used as it is."""


class ModelError(SpinalSamError):
    """A model file that is missing, damaged, of another family or for another base."""


class InputWarning(UserWarning):
    """One sentence on an input that can be used: what it lacks and how it is taken.

    It is told with `warnings.warn`; the window shows it, and so does the command line.
    """

    def __init__(self, sentence: str = "") -> None:
        super().__init__(printable(sentence))


class CancelledError(SpinalSamError):
    """The user asked a running job to stop."""
