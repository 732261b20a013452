"""Fetching weights: only when asked, resumed where it stopped, checked by checksum."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_spinalsam.core.errors import CancelledError, ModelError
from napari_spinalsam.model.weights.registry import (
    ModelEntry,
    model_entry,
    weights_path,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CHUNK_BYTES = 1024**2
TIMEOUT_SECONDS = (10, 60)
PARTIAL_CONTENT = 206
RANGE_NOT_SATISFIABLE = 416


def download(
    name: str,
    progress: Callable[[int, int | None], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Path:
    """Download the weights of a model, unless they are here and intact.

    What a broken or cancelled download left is used the next time.

    Parameters
    ----------
    name : str
        Of a model in the registry.
    progress : callable, optional
        Called with the bytes that are here and the bytes of the whole file, or None
        where the server does not tell.
    cancelled : callable, optional
        Asked now and then whether to stop.

    Returns
    -------
    Path
        The file of weights.

    Raises
    ------
    ModelError
        If there is no such model, the server does not give the file, or the file
        has the wrong checksum.
    CancelledError
        If `cancelled` said so.
    """
    entry, path = model_entry(name), weights_path(name)
    if entry.is_bundled:
        if path.is_file():
            return path
        raise ModelError(
            f"{name} is not downloaded but comes with the package, where it is "
            "missing: install napari-spinalsam again."
        )
    return fetch(entry, path, progress, cancelled)


def fetch(
    entry: ModelEntry,
    path: Path,
    progress: Callable[[int, int | None], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Path:
    """Download the file of an entry to a path; see `download`."""
    import pooch
    import requests

    downloader = ResumingDownloader(
        path.with_name(path.name + ".part"), entry.size_bytes, progress, cancelled
    )
    # pooch would talk on the terminal of whoever downloads.
    pooch.get_logger().setLevel(logging.WARNING)
    try:
        fetched = pooch.retrieve(
            url=entry.url,
            known_hash=f"sha256:{entry.sha256}",
            fname=path.name,
            path=path.parent,
            downloader=downloader,
        )
    except requests.HTTPError as error:
        status = "no answer" if error.response is None else error.response.status_code
        raise ModelError(
            f"The server does not give {entry.name} (status {status}): try again "
            f"later, or download {entry.url} by hand to {path}."
        ) from error
    except (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
    ) as error:
        raise ModelError(
            f"The download of {entry.name} was interrupted or could not start: check "
            "the network and start it again, it goes on where it stopped."
        ) from error
    except requests.RequestException as error:
        raise ModelError(
            f"The download of {entry.name} failed ({error}): start it again."
        ) from error
    except ValueError as error:  # pooch's for a wrong checksum
        raise ModelError(
            f"The downloaded file of {entry.name} has the wrong checksum and was "
            "deleted: start the download again."
        ) from error
    except OSError as error:
        raise ModelError(
            f"The weights of {entry.name} cannot be kept in {path.parent} "
            f"({error.strerror or error}): make room there, or name another folder by "
            "the environment variable NAPARI_SPINALSAM_MODELS."
        ) from error
    return Path(fetched)


class ResumingDownloader:
    """A downloader for pooch that keeps what it has and goes on from there.

    Parameters
    ----------
    part : Path
        The unfinished file.
    expected_bytes : int
        Shown as the whole size where the server does not tell; 0 if unknown.
    progress : callable or None
        Called with bytes here and bytes in all.
    cancelled : callable or None
        Asked after each piece whether to stop.
    """

    def __init__(
        self,
        part: Path,
        expected_bytes: int = 0,
        progress: Callable[[int, int | None], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self._part = part
        self._expected = expected_bytes or None
        self._progress = progress or (lambda done, total: None)
        self._cancelled = cancelled or (lambda: False)

    def __call__(
        self, url: str, output_file: str, pooch: object, check_only: bool = False
    ) -> bool | None:
        """Download a file as pooch asks for it.

        Raises
        ------
        requests.RequestException
            If the server does not answer as it should, or stops too early.
        CancelledError
            If `cancelled` said so; the unfinished file stays.
        """
        import requests

        if check_only:
            answer = requests.head(url, timeout=TIMEOUT_SECONDS, allow_redirects=True)
            return bool(answer.ok)
        self._stop_if_cancelled()
        offset = self._part.stat().st_size if self._part.is_file() else 0
        with self._get(url, offset) as answer:
            if offset and answer.status_code == RANGE_NOT_SATISFIABLE:
                if total_of(answer.headers) != offset:  # another file: start over
                    self._part.unlink()
                    return self(url, output_file, pooch)
            else:
                answer.raise_for_status()
                self._receive(answer, offset)
        self._part.replace(output_file)
        return None

    def _get(self, url: str, offset: int) -> Any:
        import requests

        # A compressed answer could not be resumed by its position.
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        return requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS)

    def _receive(self, answer: Any, offset: int) -> None:
        """Write the body, appended where the server goes on at the offset."""
        import requests

        goes_on = answer.status_code == PARTIAL_CONTENT
        done = offset if goes_on else 0
        total = total_of(answer.headers)
        with self._part.open("ab" if goes_on else "wb") as file:
            for chunk in answer.iter_content(CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                self._progress(done, total or self._expected)
                self._stop_if_cancelled()
        if total is not None and done < total:
            raise requests.ConnectionError(f"The server stopped at {done} of {total}.")

    def _stop_if_cancelled(self) -> None:
        if self._cancelled():
            raise CancelledError("The download was stopped; it can be continued later.")


def total_of(headers: Mapping[str, str]) -> int | None:
    """Return the bytes of the whole file that an answer belongs to, if it tells."""
    of_range = headers.get("Content-Range", "").rpartition("/")[2]
    if of_range.isdigit():
        return int(of_range)
    length = headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None
