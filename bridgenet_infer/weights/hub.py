"""Get files from the Hugging Face Hub: from the cache if possible, with their content checked, in bounded time.

The client itself checks no content, not even that of its cache, and repeats failed requests for half a minute.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from ..files import remove_leftovers

T = TypeVar("T")


def cached_path(repo_id: str, filename: str, revision: str | None) -> Path | None:
    """Where the Hub cache holds a file, or None; never touches the network."""
    from huggingface_hub import try_to_load_from_cache

    # not hf_hub_download(local_files_only=True): preparing its headers may already ask the endpoint something
    found = try_to_load_from_cache(repo_id, filename, revision=revision)
    return Path(found) if isinstance(found, str) else None


def fetch(repo_id: str, filename: str, revision: str | None, check: Callable[[Path], T]) -> T:
    """The result of `check` for a file: for the cached one without any network, else for a download.

    Parameters
    ----------
    revision
        Commit, tag or branch; the default branch if None.
    check
        Raises OSError for damaged content; a cached file is then downloaded again, once.

    Raises
    ------
    OSError
        If the file cannot be had (HF_HUB_OFFLINE, no answer, no such file) or is still damaged.
    """
    from huggingface_hub import constants

    try:
        return _check_cached(repo_id, filename, revision, check)
    except OSError as damage:
        if constants.HF_HUB_OFFLINE:
            raise OSError(f"{damage}, and HF_HUB_OFFLINE forbids the download") from damage
    with _alone(repo_id, filename, revision):
        try:
            return _check_cached(repo_id, filename, revision, check)  # another process may have been faster
        except FileNotFoundError:
            pass
        except OSError as damage:
            warnings.warn(f"{damage}: downloading it again", stacklevel=2)
        path = _download(repo_id, filename, revision)
        try:
            return check(path)
        except OSError as damage:
            raise OSError(f"{repo_id} serves a wrong {filename}: {damage}") from damage


def _check_cached(repo_id: str, filename: str, revision: str | None, check: Callable[[Path], T]) -> T:
    """The result of `check` for the cached file; FileNotFoundError if there is none."""
    path = cached_path(repo_id, filename, revision)
    if path is None:
        raise FileNotFoundError(f"{_in_words(repo_id, filename, revision)} is not in the Hub cache")
    checked = check(path)
    with suppress(OSError):  # a cache may be read-only
        remove_leftovers(path.parents[2] / "blobs", "*.incomplete")  # of the client, which never does
    return checked


@contextmanager
def _alone(repo_id: str, filename: str, revision: str | None) -> Iterator[None]:
    """Of all threads and processes the only one that downloads from a repository."""
    from huggingface_hub import constants
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

    lock = Path(constants.HF_HUB_CACHE, ".locks", f"models--{repo_id.replace('/', '--')}", "bridgenet-infer.lock")
    with ExitStack() as stack:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(WeakFileLock(lock))
        except OSError as error:
            raise OSError(f"cannot download {_in_words(repo_id, filename, revision)}: {error}") from error
        yield


def _download(repo_id: str, filename: str, revision: str | None) -> Path:
    from huggingface_hub import constants, hf_hub_download

    try:
        # forced: without a usable answer the client would otherwise try again for half a minute
        return Path(hf_hub_download(repo_id, filename, revision=revision, force_download=True))
    except Exception as error:  # its own classes, the HTTP client's, ValueError, OSError: all mean the same here
        what = _in_words(repo_id, filename, revision)
        raise OSError(f"cannot download {what} from {constants.ENDPOINT}: {first_cause(error)}") from error


def _in_words(repo_id: str, filename: str, revision: str | None) -> str:
    return f"{filename} of {repo_id}" + (f" at revision {revision}" if revision else "")


def first_cause(error: BaseException) -> str:
    """The first cause of an error in one line: the client wraps it in advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}"
