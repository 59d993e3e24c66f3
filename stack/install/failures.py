"""Say in one sentence why an installation failed, and what to do."""

from __future__ import annotations

import re
from pathlib import Path

from stack.errors import StackError

NO_NETWORK = re.compile(
    r"network is unreachable|name or service not known|nodename nor servname|temporary failure in name resolution"
    r"|failed to lookup address|dns error|connection refused|connection reset|connection aborted|tcp connect error"
    r"|no route to host|max retries exceeded|newconnectionerror|error sending request|timed out|timeouterror"
    r"|connection broken|remotedisconnected|tunnel connection failed",
    re.IGNORECASE,
)
BAD_CERTIFICATE = re.compile(
    r"certificate[ _]verify[ _]failed|invalid peer certificate|self[- ]signed certificate|unknown ?issuer"
    r"|unable to get local issuer|sslcertverificationerror",
    re.IGNORECASE,
)
NO_SPACE = re.compile(r"no space left on device|disk quota exceeded|os error 28|errno 28", re.IGNORECASE)


class InstallFailed(StackError):
    """Say why the installation stopped, and what to do."""

    code = "INSTALL_FAILED"


class IndexFailed(InstallFailed):
    """Say that an index gave nothing: nothing was unpacked yet, for all is fetched before that."""


class NetworkFailed(IndexFailed):
    """Say that an index does not answer."""

    def __init__(self, state: str) -> None:
        super().__init__(
            f"the package index cannot be reached, so {state}: check the network or the proxy (HTTPS_PROXY; "
            "PIP_INDEX_URL and UV_DEFAULT_INDEX name a mirror), then run the same command again"
        )


class CertificateRefused(IndexFailed):
    """Say that an index, or the proxy before it, shows a certificate that nothing here vouches for."""

    def __init__(self, state: str) -> None:
        super().__init__(
            f"the package index shows a certificate that is not trusted here, so {state}: where a proxy signs with its "
            "own, name a file that holds that one too, SSL_CERT_FILE=/path/to/certificates.pem (and PIP_CERT for pip), "
            "then run the same command again"
        )


class DiskFull(InstallFailed):
    def __init__(self, folder: Path, need_gb: float, state: str) -> None:
        super().__init__(
            f"the disk is full, so {state}: make room for {need_gb:.1f} GB in all where {folder} lies, and where uv's "
            "cache does if that is another disk (UV_CACHE_DIR), then run the same command again"
        )


def short_of_space(folder: Path, free_gb: float, need_gb: float) -> InstallFailed:
    """Return the error for a disk that is too small, before anything was begun."""
    return InstallFailed(
        f"{free_gb:.1f} GB are free where {folder} is to be made, and the installation needs {need_gb:.1f} GB: free "
        "some space, or move this folder to a larger disk, then run the same command again"
    )
