"""Ask the model hub once whether it answers, before anything is fetched from it, and do with the cache where not.

huggingface_hub itself asks for each file, five times over: with a hub that is away, a boot is silent for most of a
minute before it fails, and as long before it takes what is in the cache all the same.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from shared.errors import ConfigurationError

log = logging.getLogger(__name__)

LM_FILE, CODEC_FILE = "state_dict.bin", "compression_state_dict.bin"
CHECKPOINT_FILES = (LM_FILE, CODEC_FILE)
TRY_AGAIN_S = 1.0
TRIES = 3


class HubUnreachable(ConfigurationError):
    """Say that the hub does not answer, and that the cache does not do instead."""

    def __init__(self, checkpoint: str, why: str) -> None:
        from huggingface_hub import constants

        super().__init__(
            f"the model hub {constants.ENDPOINT} does not answer ({why}), and not all of {checkpoint} is in the cache: "
            "check the network and HTTPS_PROXY, or name a mirror (HF_ENDPOINT); or run `python -m worker.weights` for "
            "this model where there is a network, with CACHE_DIR set, and copy that folder here (CACHE_DIR, OFFLINE=1)"
        )


def ask_hub(checkpoint: str, files: Sequence[str], cache_dir: str | None, revision: str | None) -> str:
    """Ask the hub, before seconds of imports; return why it gave no answer, empty where it gave one.

    Raises HubUnreachable at once where it gave none and the cache lacks one of the checkpoint's files.
    """
    from huggingface_hub import try_to_load_from_cache

    try:
        cached = [try_to_load_from_cache(checkpoint, name, cache_dir, revision) for name in files]
    except ValueError:
        return ""  # no name that a hub could know: whoever loads it says so
    if (why := _why_silent()) and not all(isinstance(path, str) for path in cached):
        raise HubUnreachable(checkpoint, why)
    return why


@contextmanager
def cache_alone(checkpoint: str, why: str) -> Iterator[None]:
    """Take what is fetched inside from the cache alone, where the hub is silent; `why` is empty where it is not.

    Raises HubUnreachable where the cache does not do.
    """
    from huggingface_hub import constants

    if not why:
        yield
        return
    log.warning("the model hub %s does not answer (%s): what is in the cache is taken", constants.ENDPOINT, why)
    constants.HF_HUB_OFFLINE = True  # huggingface_hub and transformers look at it at each call
    try:
        yield
    except ConfigurationError:
        raise
    except Exception as error:
        raise HubUnreachable(checkpoint, why) from error
    finally:
        constants.HF_HUB_OFFLINE = False


@contextmanager
def hub_or_cache(name: str) -> Iterator[None]:
    """Fetch what is fetched inside from the hub, or from the cache where the hub is silent. Raises HubUnreachable."""
    with cache_alone(name, _why_silent()):
        yield


def _why_silent() -> str:
    """Return why the hub gave no answer, of whatever kind, within HF_HUB_ETAG_TIMEOUT seconds; empty where it did."""
    from huggingface_hub import constants

    if constants.is_offline_mode():
        return ""  # as was asked for
    patience_s = constants.HF_HUB_ETAG_TIMEOUT
    outcome: queue.SimpleQueue[str] = queue.SimpleQueue()
    # a thread: neither the name's lookup nor the sum of connecting, sending and waiting can be bounded otherwise
    ask = threading.Thread(target=lambda: outcome.put(_ask(constants.ENDPOINT, patience_s)), name="hub", daemon=True)
    ask.start()
    try:
        return outcome.get(timeout=patience_s)
    except queue.Empty:
        return f"no answer within {patience_s:g} s"


def _ask(endpoint: str, patience_s: float) -> str:
    from huggingface_hub import get_session

    for tries_left in reversed(range(TRIES)):
        try:
            get_session().head(endpoint, timeout=patience_s)
            return ""
        except Exception as error:  # the network's, the proxy's, a certificate's: all of them are no answer
            why = " ".join(str(error).split()) or type(error).__name__
        if tries_left:
            time.sleep(TRY_AGAIN_S)
    return why
