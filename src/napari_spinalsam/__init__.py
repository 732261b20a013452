"""Turn a spine CT or MR into named, measured labels, in napari or without it.

Importing this package is cheap on purpose: it loads neither torch nor Qt nor
napari. Notebooks start from :mod:`napari_spinalsam.api`, scripts from the
command ``napari-spinalsam``.
"""

__version__ = "0.1.0"
