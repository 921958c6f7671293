"""Every error that PolyAI raises on purpose, in one tree.

    PolyAIError
    ├── InvalidInput             400  what was sent cannot be used as it is
    │   ├── BlockedAddress       400  a web address that this server must not fetch
    │   ├── TooLong              413  a question or file over its limit
    │   ├── UnsupportedFile      415  a kind of file that nothing here reads
    │   ├── UnreadableFile       422  a file of a kind that is read, of which nothing can be had
    │   │   ├── EmptyFile        422  no bytes, or blanks only
    │   │   ├── EncryptedFile    422  opens with a password that we do not have
    │   │   ├── DamagedFile      422  cut off, broken, or made to break its reader
    │   │   ├── WrongKind        422  something else than its name says
    │   │   ├── NoText           422  a scan or pictures only
    │   │   ├── TooLargeToRead   422  over the limit of pages, text, nesting or memory
    │   │   └── TooSlowToRead    422  over the limit of time
    │   └── QuotaReached         413  a project has as many documents or megabytes as it may
    ├── NotAllowed               403  a member whose role is too small
    ├── NotFound                 404  not there, or not yours: the two look the same
    ├── Gone                     410  a link that was good once: revoked, used up or expired
    ├── ProviderError            502  the language model or the embedder failed
    │   ├── ProviderUnreachable  503  refused, no route, name not found
    │   ├── ProviderTimeout      504  stalled
    │   ├── ProviderRateLimited  503  asked us to slow down
    │   ├── ProviderRefused      502  refused the request: key, model name or parameters
    │   └── StreamCut            502  the answer stopped in the middle
    ├── FetchError               502  a web server sent nothing that can be used
    │   ├── PageGone             502  it says that there is no such page (any more)
    │   ├── FetchUnreachable     503  no route, name not found, overloaded, broken off
    │   └── FetchTimeout         504  too slow
    ├── StorageUnavailable       503  the storage of originals does not answer
    ├── ParserLost               503  the process that reads files was killed, and its successor too
    └── StoreUnavailable         503  PostgreSQL does not answer

An error's text is written for the person who reads it: what happened and what to do. The text of a
foreign exception is logged, never shown.
"""

from __future__ import annotations


class PolyAIError(Exception):
    """Base of the tree: `code` for programs, `status` for HTTP, `retryable` for workers. `message` is told at once;
    whoever reads of it later is told what `happened`."""

    code = "error"
    status = 500
    retryable = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = self.happened = message


class InvalidInput(PolyAIError):
    code = "invalid_input"
    status = 400


class BlockedAddress(InvalidInput):
    code = "blocked_address"


class TooLong(InvalidInput):
    code = "too_long"
    status = 413


class UnsupportedFile(InvalidInput):
    code = "unsupported_file"
    status = 415


class UnreadableFile(InvalidInput):
    code = "unreadable_file"
    status = 422


class EmptyFile(UnreadableFile):
    code = "empty"


class EncryptedFile(UnreadableFile):
    code = "encrypted"


class DamagedFile(UnreadableFile):
    code = "damaged"


class WrongKind(UnreadableFile):
    code = "wrong_kind"


class NoText(UnreadableFile):
    code = "no_text"


class TooLargeToRead(UnreadableFile):
    code = "too_large"


class TooSlowToRead(UnreadableFile):
    code = "too_slow"


class QuotaReached(InvalidInput):
    code = "quota_reached"
    status = 413


class NotAllowed(PolyAIError):
    code = "not_allowed"
    status = 403


class NotFound(PolyAIError):
    code = "not_found"
    status = 404


class Gone(PolyAIError):
    code = "gone"
    status = 410


class ProviderError(PolyAIError):
    """`retry_after`: seconds until the provider wants to be asked again, where it says so. `advice` is for now only."""

    code = "provider_error"
    status = 502

    def __init__(self, message: str, *, advice: str = "", retry_after: float | None = None) -> None:
        super().__init__(f"{message} {advice}".rstrip())
        self.happened = message
        self.retry_after = retry_after


class ProviderUnreachable(ProviderError):
    code = "provider_unreachable"
    status = 503
    retryable = True


class ProviderTimeout(ProviderError):
    code = "provider_timeout"
    status = 504
    retryable = True


class ProviderRateLimited(ProviderError):
    code = "provider_rate_limited"
    status = 503
    retryable = True


class ProviderRefused(ProviderError):
    code = "provider_refused"


class StreamCut(ProviderError):
    code = "stream_cut"
    retryable = True


class FetchError(PolyAIError):
    code = "fetch_failed"
    status = 502


class PageGone(FetchError):
    code = "page_gone"


class FetchUnreachable(FetchError):
    code = "fetch_unreachable"
    status = 503
    retryable = True


class FetchTimeout(FetchError):
    code = "fetch_timeout"
    status = 504
    retryable = True


class StorageUnavailable(PolyAIError):
    code = "storage_unavailable"
    status = 503
    retryable = True


class ParserLost(PolyAIError):
    code = "parser_lost"
    status = 503
    retryable = True


class StoreUnavailable(PolyAIError):
    code = "store_unavailable"
    status = 503
    retryable = True


def from_code(code: str, message: str, retry_after: float | None = None) -> PolyAIError:
    """The error of the tree that has this code, as it is told from one process to another.

    Raises LookupError for a code that no error here has.
    """
    families = [PolyAIError]
    for family in families:
        if family.code == code:
            error = family(message)
            if isinstance(error, ProviderError):
                error.retry_after = retry_after
            return error
        families += family.__subclasses__()  # the walk goes on into them
    raise LookupError(code)
