"""The errors that reach the user: one sentence each, with the value and the remedy."""

from __future__ import annotations

from napari_spinalsam.core.messages import Message, printable


class SpinalSamError(Exception):
    """A problem that the user can understand and fix.

    The message is one sentence that names the offending value and says what to do.

    Parameters
    ----------
    sentence : str
        A `Message` can be shown in the user's language.

    Attributes
    ----------
    message : Message
        The sentence; `str` of the error is its English text.
    """

    def __init__(self, sentence: str = "") -> None:
        if not isinstance(sentence, Message):
            sentence = Message(printable(sentence))
        self.message = sentence
        super().__init__(sentence)


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
