"""Count what a JSON text contains while its bytes arrive: a hostile one is refused before anything is built of it.

No parser: whether the text is JSON at all is for `json.loads` to say. Inside strings nothing counts; outside, a colon
is an object's member and a comma, or a list that is not empty, an entry. Linear in the bytes, a constant number of
steps in Python for each field, and it stops at the first limit.
"""

from __future__ import annotations

import re

from api.http.body_limits import MOST_FIELDS, MOST_LEVELS, BodyLimits, too_deep, too_many_fields, too_many_requests

ESCAPED = re.compile(rb"\\.", re.DOTALL)
STRING = re.compile(rb'"[^"]*"')
STRUCTURE = re.compile(rb"\[\s*\]|[\[\]{}:,]")
REQUESTS_AT, REQUEST_AT = 2, 3  # the levels of a batch's list and of its items
TOKENS_A_FIELD = 4  # a colon, a comma and a pair of brackets


class JsonScanner:
    """Count one text. `feed` raises InvalidRequest for more fields or levels than `limits` has."""

    def __init__(self, limits: BodyLimits) -> None:
        self._limits = limits
        self._in_string = False
        self._backslash = b""  # the block before ended with it
        self._counts: list[int] = []  # of each open object or list, outermost first
        self._is_list: list[bool] = []
        self._fields = 0  # of the whole body, or of the batch's request at hand
        self._requests = 0  # of a batch
        self._tokens_left = TOKENS_A_FIELD * (limits.most_fields + 1)

    def feed(self, block: bytes) -> None:
        """Count the next bytes of the text."""
        for token in STRUCTURE.finditer(self._outside_strings(block)):
            self._take(token[0])

    def _outside_strings(self, block: bytes) -> bytes:
        """Return the block with its strings made short, so that no character of theirs is taken for structure."""
        block = self._backslash + block
        odd = (len(block) - len(block.rstrip(b"\\"))) % 2
        self._backslash, block = (b"\\", block[:-1]) if odd else (b"", block)
        block = ESCAPED.sub(b"", block)
        if self._in_string:
            _, closing, block = block.partition(b'"')
            if not closing:
                return b""
            block = b"s" + block
        before, opening, _ = STRING.sub(b"s", block).partition(b'"')
        self._in_string = bool(opening)
        return before + b"s" if opening else before

    def _take(self, token: bytes) -> None:
        self._tokens_left -= 1
        if self._tokens_left < 0:
            raise too_many_fields(self._where(), self._limits.fields)  # no JSON has so many brackets for its fields
        if token in (b"{", b"["):
            self._open(is_list=token == b"[")
        elif token in (b"}", b"]"):
            self._close()
        elif token == b":" or (token == b"," and self._is_list and self._is_list[-1]):
            self._count()
        elif token != b"," and len(self._counts) >= MOST_LEVELS:
            raise too_deep()  # an empty list

    def _open(self, *, is_list: bool) -> None:
        if len(self._counts) >= MOST_LEVELS:
            raise too_deep()
        self._counts.append(0)
        self._is_list.append(is_list)
        if self._limits.requests and len(self._counts) == REQUEST_AT:
            self._fields = 0
            self._requests += 1
            self._expect_few_requests(self._requests)
        if is_list:
            self._count()  # its first entry: an empty one is a token of its own

    def _close(self) -> None:
        if self._counts:
            self._counts.pop()
            self._is_list.pop()

    def _count(self) -> None:
        if not self._counts:
            return  # broken JSON
        self._counts[-1] += 1
        if self._limits.requests and len(self._counts) == REQUESTS_AT and self._is_list[-1]:
            self._expect_few_requests(self._counts[-1])
        elif self._counts[-1] > MOST_FIELDS:
            raise too_many_fields(self._where(), MOST_FIELDS)
        if not self._limits.requests or len(self._counts) >= REQUEST_AT:
            self._fields += 1
            if self._fields > self._limits.fields:
                raise too_many_fields(self._where(), self._limits.fields)

    def _expect_few_requests(self, count: int) -> None:
        """Refuse more than twice as many; up to that they are read, for a refusal that says how many there are."""
        if count > 2 * self._limits.requests:
            raise too_many_requests(self._limits.requests)

    def _where(self) -> str:
        inside = self._limits.requests and len(self._counts) >= REQUEST_AT
        return f"requests[{self._counts[1] - 1}]" if inside else "body"
