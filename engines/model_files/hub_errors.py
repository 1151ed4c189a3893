"""The hub's refusals and the network's failures, in words and with what to do."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from engines.errors import DownloadError, EngineError, ModelNotFound

if TYPE_CHECKING:
    from engines.model_files.hub import Hub

_SIGN_IN = "sign in with: hf auth login (or set HF_TOKEN)"


@contextmanager
def explained(hub: Hub, repository: str) -> Iterator[None]:
    """Raises DownloadError or ModelNotFound for whatever goes wrong with the hub or the disk."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    try:
        yield
    except EngineError:
        raise
    except OfflineModeIsEnabled as error:
        raise DownloadError(
            "Downloads are switched off by HF_HUB_OFFLINE.", "Unset it and try again."
        ) from error
    except HFValidationError as error:
        raise ModelNotFound(
            f"{repository[:120]} is no name of a repository.", "Write it as ORGANIZATION/NAME."
        ) from error
    except HfHubHTTPError as error:
        raise explain_status(hub, repository, error.response) from error
    except (httpx2.HTTPError, httpx2.InvalidURL, ConnectionError) as error:
        raise unreachable(hub, error) from error
    except OSError as error:
        raise _disk_error(error) from error


def explain_status(hub: Hub, repository: str, response: Any) -> EngineError:
    """What the hub's answer means."""
    status, code = response.status_code, response.headers.get("X-Error-Code", "")
    if code == "GatedRepo":
        return DownloadError(
            f"{repository} is given only to people who have accepted its licence.",
            f"Accept it at {hub.endpoint}/{repository} and {_SIGN_IN}.",
        )
    if status == 401 and hub.token:
        return DownloadError(
            f"{hub.host} does not accept the token.", f"Make a new one and {_SIGN_IN}."
        )
    if code == "RevisionNotFound":
        return ModelNotFound(f"{repository} has no such revision.", "Leave it away for the newest.")
    if status in (401, 404):
        near = hub.suggest(repository)
        guess = f"Did you mean {' or '.join(near)}? " if near else ""
        return ModelNotFound(
            f"{hub.host} has no repository {repository}, or it is private.",
            f"{guess}For a private one {_SIGN_IN}.",
        )
    if status == 403:
        return DownloadError(
            f"{hub.host} refuses access to {repository}.",
            f"Ask for it at {hub.endpoint}/{repository} and {_SIGN_IN}.",
        )
    if status == 429:
        wait_s = asked_wait_s(response)
        when = f"in {wait_s:.0f} s" if wait_s else "in a few minutes"
        return DownloadError(
            f"{hub.host} has had too many requests from here.", f"Try again {when}, or sign in."
        )
    return DownloadError(f"{hub.host} answers with error {status}.", "Try again later.")


def unreachable(hub: Hub, error: Exception) -> DownloadError:
    reason = " ".join(str(error).split())[:120]
    detail = f" ({reason})" if reason else ""
    return DownloadError(
        f"{hub.host} cannot be reached{detail}.",
        "Check the network, or name a mirror in HF_ENDPOINT.",
    )


def asked_wait_s(response: Any) -> float | None:
    """Seconds that a 429 or 503 asks to wait, by `Retry-After` or the rate limit's reset."""
    after = response.headers.get("Retry-After", "")
    if after.strip().isdigit():
        return float(after)
    reset = re.search(r"\bt\s*=\s*(\d+)", response.headers.get("RateLimit", ""))
    return float(reset[1]) if reset else None


def _disk_error(error: OSError) -> DownloadError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DownloadError(
            "The disk is full.", "Free some space and run it again: it goes on where it stopped."
        )
    return DownloadError(
        f"The model cannot be stored: {error.strerror or error}.",
        "Check the folder's permissions, or set HF_HOME to another one.",
    )
