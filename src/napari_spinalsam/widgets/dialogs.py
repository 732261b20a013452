"""Questions to the user: which file, and what is to become of unsaved work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_spinalsam.core.errors import CancelledError

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

TITLE = "SpinalSAM"
REPLACE = "Replace"


def path_to_write(
    title: str,
    proposal: Path,
    kind: str,
    suffixes: tuple[str, ...],
    parent: QWidget | None = None,
) -> Path:
    """Let the user choose a file to write; one that exists only if they say so.

    Parameters
    ----------
    title : str
        Of the dialog.
    proposal : Path
        Name that is proposed, in its folder where it has one.
    kind : str
        What such files are called, in the plural.
    suffixes : tuple of str
        Endings that the name may have; the first is added to a name without any.
    parent : QWidget or None
        Where the dialog belongs.

    Raises
    ------
    CancelledError
        If no file was chosen.
    """
    patterns = " ".join(f"*{suffix}" for suffix in suffixes)
    chosen, _ = QFileDialog.getSaveFileName(
        parent, title, str(proposal), f"{kind} ({patterns})"
    )
    if not chosen:
        raise CancelledError("No file was chosen.")
    if chosen.lower().endswith(suffixes):
        return Path(chosen)
    path = Path(chosen + suffixes[0])
    # The dialog has asked about the name without the suffix.
    if path.exists() and not choose(
        f"{path.name} is there already.", "What is in it will be lost.", REPLACE
    ):
        raise CancelledError("No file was chosen.")
    return path


def choose(
    question: str, told: str, *answers: str, parent: QWidget | None = None
) -> str:
    """Ask the user to choose; return the answer, or "" where they cancel.

    Parameters
    ----------
    question : str
        One sentence.
    told : str
        What follows from the answers.
    *answers : str
        Texts of the buttons; Cancel is added, and is what Escape presses.
    parent : QWidget or None
        Where the question belongs.
    """
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle(TITLE)
    box.setText(question)
    box.setInformativeText(told)
    role = QMessageBox.ButtonRole.AcceptRole
    buttons = {answer: box.addButton(answer, role) for answer in answers}
    box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
    box.exec()
    pressed = box.clickedButton()
    box.deleteLater()
    return next((answer for answer in answers if buttons[answer] == pressed), "")
