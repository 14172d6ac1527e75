"""A refusal in the words of the service, whatever protocol carries it."""

from __future__ import annotations


class ServiceError(Exception):
    """A request is refused as a whole: `code` and `message` are what a client reads, `status` is the HTTP status."""

    serial: int | None = None
    """Serial of the lease whose request it refuses, where that is known and the sender was not proven."""

    def __init__(self, code: str, message: str = "", status: int = 400) -> None:
        super().__init__(code, message, status)
        self.code = code
        self.message = message
        self.status = status


def invalid(message: str) -> ServiceError:
    """Give Kinesis' answer to an argument that breaks a rule of the stream."""
    return ServiceError("InvalidArgumentException", message)


def violates(where: str, value: object, constraint: str) -> ServiceError:
    """Give the answer to an argument that breaks the API's own shape; like the real one it repeats the value."""
    return ServiceError(
        "ValidationException",
        f"1 validation error detected: Value '{value}' at '{where}' failed to satisfy constraint: Member must {constraint}",
    )
