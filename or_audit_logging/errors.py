"""The errors this package raises: one root, every name ends in Error.

Each carries its facts as attributes and a message that says what to do next. "Wrong"
(`VerificationError` and below) and "could not check" (`KeyNotFoundError`, `FormatError`) are different
types. No message contains unredacted content or a key.
"""

from __future__ import annotations


class AuditError(Exception):
    """Root of every error raised by this package."""


class ConfigError(AuditError, ValueError):
    """A set-up mistake, raised where a handler, filter or client is constructed."""


class MissingExtraError(AuditError, ImportError):
    """An optional dependency is not installed; `extra` names the extra that brings it."""

    def __init__(self, *, extra: str, needed_for: str) -> None:
        self.extra = extra
        super().__init__(f"{needed_for} needs the extra '{extra}': pip install 'or-audit-logging[{extra}]'")


class AuditWriteError(AuditError):
    """A record could not be written and `on_failure="raise"` is set.

    `response` is the model's response where the call itself had succeeded, so that a paid answer is
    not lost with its record; otherwise None.
    """

    def __init__(self, message: str, *, response: object = None) -> None:
        self.response = response
        super().__init__(message)


class NoTextError(AuditError):
    """A model answered without text, and text was asked for.

    `response` is the SDK's response (there may be tool calls, a refusal or a provider's error in it),
    `finish_reason` why the answer ended. The call's record was made.
    """

    def __init__(self, *, response: object, finish_reason: str | None) -> None:
        self.response = response
        self.finish_reason = finish_reason
        super().__init__(
            f"the answer has no text (finish_reason: {finish_reason or 'unknown'}); see its .response"
        )


class FormatError(AuditError, ValueError):
    """Bytes that are not what their format says (a line, a checkpoint note, an anchor, a key file)."""


class SQLError(AuditError, ValueError):
    """A statement that is not answered: no SQL, of things that are not there, writing, or too slow."""


class KeyNotFoundError(AuditError):
    """No key was found in the named sources, or none that fits the log."""


class VerificationError(AuditError):
    """Evidence is wrong: `segment` and `line` (1-based) say where."""

    def __init__(self, message: str, *, segment: str | None = None, line: int | None = None) -> None:
        self.segment = segment
        self.line = line
        super().__init__(message)


class ChainBrokenError(VerificationError):
    """A line's MAC, sequence number or key id does not follow from the line before it."""


class CheckpointMismatchError(VerificationError):
    """A checkpoint states another tree than the lines before it give."""


class SignatureError(VerificationError):
    """A signature that claims to be by the verifier key `key` does not hold."""

    def __init__(self, message: str, *, key: str) -> None:
        self.key = key
        super().__init__(message)


class SegmentMissingError(VerificationError):
    """Lines that the chain proves to have existed are not there."""


class ProofError(AuditError):
    """A proof cannot be made: the line, or a signed checkpoint that covers it, is not there."""


class RetentionError(AuditError):
    """Retention was refused; nothing was touched."""


class LegalHoldError(RetentionError):
    """Retention or redaction was refused because a legal hold covers the lines."""


class DeliveryError(AuditError):
    """A target does not take what is shipped to it, and will not by waiting: nothing was lost."""


class GenerationError(AuditError):
    """OpenRouter did not say what was asked of it about past calls.

    `status` is the HTTP status it answered with, None where no answer came; `retry_after` how many seconds it
    asked to wait. The message gives advice, and holds nothing of the answer's text.
    """

    def __init__(self, message: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        self.status = status
        self.retry_after = retry_after
        super().__init__(message)


class APIKeyError(GenerationError):
    """401: the API key is missing or wrong."""


class PaymentRequiredError(GenerationError):
    """402: the account is out of credits."""


class AccessDeniedError(GenerationError):
    """403: the generation is another account's, or the figures need a management key."""


class GenerationNotReadyError(GenerationError):
    """The generation record is not there yet, or the id is unknown (the endpoint answers 404 to both)."""


class RateLimitedError(GenerationError):
    """429: too many requests, also after waiting."""


class UnavailableError(GenerationError):
    """5xx, no connection, or an answer that is none, also after trying again."""


class RequestTimeoutError(UnavailableError):
    """408, or no answer in time."""
