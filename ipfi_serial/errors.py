"""Every error that this package raises on purpose.  Imports nothing from the package.

The tree; the name says who broke the rule::

    IpfiError
    ├── LocalProtocolError        our own caller asked for what the protocol forbids here
    │   └── ConfigError           a setting, an endpoint string or a declaration is wrong
    ├── TransportError            the operating system or the other end of the line
    │   ├── PortNotFoundError
    │   ├── PortBusyError
    │   └── EchoingLineError      the line sends back what we send
    ├── RemoteProtocolError       the other end broke the protocol
    │   └── LinkMismatchError     one end is framed, the other one plain
    ├── HandshakeRefusedError     the other end does not want this session
    ├── LinkLostError             nothing valid is heard any more
    │   └── ConnectTimeoutError   no handshake before the connect deadline (a TimeoutError)
    ├── DeviceResetError          the other end restarted
    ├── WireClosedError           this wire was closed, here or there
    ├── NoSessionError            this wire is open, but no other end is there now
    └── CallError                 one call failed; the wire goes on
        ├── CallTimeoutError      (a TimeoutError)
        ├── CallRefusedError      it was never started
        ├── CallCancelledError
        └── RemoteCallError       its handler failed

Whatever ends a call carries ``may_have_executed``: False means that the handler certainly did not
run, True that it did or may have.
"""

from __future__ import annotations

import copy
from typing import Self


class IpfiError(Exception):
    """Base of every error that ipfi_serial raises on purpose.

    Attributes:
        may_have_executed: for an error that ended a call, whether its handler may have run; None
            for an error that ended none.
    """

    may_have_executed: bool | None = None

    def for_call(self, *, may_have_executed: bool) -> Self:
        """Return a copy that ends one call and says whether that call may have executed."""
        error = copy.copy(self)
        error.may_have_executed = may_have_executed
        return error

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild without calling ``__init__``, so that every subclass survives copy and pickle."""
        return (_rebuild, (type(self), self.args, self.__dict__.copy()))


def _rebuild(
    kind: type[IpfiError], args: tuple[object, ...], facts: dict[str, object]
) -> IpfiError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


class LocalProtocolError(IpfiError):
    """Our own caller asked for something that the protocol forbids in this state."""


class ConfigError(LocalProtocolError, ValueError):
    """A setting, an endpoint string or a declaration is wrong; nothing was opened or sent."""


class TransportError(IpfiError, OSError):
    """The operating system, the port or the other end of the line failed."""


class PortNotFoundError(TransportError):
    """No such port.

    Attributes:
        port: what was asked for.
        available: names of the ports that exist.
    """

    def __init__(self, port: str, available: tuple[str, ...] = (), message: str = "") -> None:
        ports = ", ".join(available) if available else "none"
        super().__init__(message or f"no port {port!r}; ports that exist: {ports}")
        self.port = port
        self.available = available


class PortBusyError(TransportError):
    """The port is open elsewhere.

    Attributes:
        port: what was asked for.
        holder: the process that has it open, as "name (pid)", or None if that cannot be found out.
    """

    def __init__(self, port: str, holder: str | None = None, message: str = "") -> None:
        by = f"by {holder}" if holder else "by another program (lsof names it)"
        super().__init__(message or f"port {port!r} is in use {by}; close it there first")
        self.port = port
        self.holder = holder


class EchoingLineError(TransportError):
    """The line sends back what we send: TX and RX are joined, or a modem echoes."""

    def __init__(self) -> None:
        super().__init__(
            "our own handshake came back: check that TX and RX are not joined, that no loopback "
            "plug is fitted and that local echo is off at the other end"
        )


class RemoteProtocolError(IpfiError):
    """The other end sent what the protocol forbids; the session cannot go on."""


class LinkMismatchError(RemoteProtocolError):
    """One end speaks framed IPFI and the other one plain IPFI.

    Attributes:
        ours: "framed" or "plain".
    """

    def __init__(self, ours: str) -> None:
        theirs = "plain" if ours == "framed" else "framed"
        super().__init__(
            f"this end is {ours} but the other end speaks {theirs} IPFI: "
            f"open this end with link={theirs!r}, or the other one with link={ours!r}"
        )
        self.ours = ours


class HandshakeRefusedError(IpfiError):
    """The other end refused the session.

    Attributes:
        reason: "version", "parameters", "busy" or "not wanted".
        our_version: the protocol version of this end.
        their_version: the protocol version of the other end.
    """

    def __init__(self, reason: str, our_version: int, their_version: int) -> None:
        advice = {
            "version": "update the older end",
            "parameters": "check the limits in the configuration of both ends",
            "busy": "another program may be connected to it",
        }.get(reason, "see the other end's log")
        super().__init__(
            f"the other end refused the session: {reason} (our protocol version {our_version}, "
            f"theirs {their_version}); {advice}"
        )
        self.reason = reason
        self.our_version = our_version
        self.their_version = their_version


class LinkLostError(IpfiError):
    """No valid frame was heard for the patience time while work was pending.

    Attributes:
        silent_s: seconds since the last valid frame.
    """

    def __init__(self, message: str, silent_s: float) -> None:
        super().__init__(message)
        self.silent_s = silent_s


class ConnectTimeoutError(LinkLostError, TimeoutError):
    """The handshake did not succeed before the connect deadline, or nobody came to a server."""


class DeviceResetError(IpfiError):
    """The other end restarted, or began a new session; the calls in flight ended.

    Attributes:
        cause: why it restarted, in its own words: "power-on", "watchdog" ...
    """

    def __init__(self, cause: str) -> None:
        super().__init__(f"the other end restarted ({cause}); a new session takes over")
        self.cause = cause


class WireClosedError(IpfiError):
    """The wire is closed for good: by this program, or by the other end's goodbye.

    ``accept`` of a server or listener that this program has closed raises it too.
    """


class NoSessionError(IpfiError):
    """The wire is open, but there is no session: no host has come yet, or the last one left.

    An end with ``role="device"`` gets it.  The wire goes on waiting for a host by itself.
    """

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}: wait_established() waits for the next session")


class CallError(IpfiError):
    """One call failed; the wire and every other call go on."""

    def __init__(self, message: str, *, may_have_executed: bool) -> None:
        super().__init__(message)
        self.may_have_executed = may_have_executed


class CallTimeoutError(CallError, TimeoutError):
    """No answer came before the deadline; the other end was asked to stop."""


class CallRefusedError(CallError):
    """The call was not started: unknown procedure, wrong arguments, or a limit was reached.

    Attributes:
        reason: "unknown procedure", "bad arguments", "limit" or "not allowed".
    """

    def __init__(self, message: str, *, reason: str, may_have_executed: bool = False) -> None:
        super().__init__(message, may_have_executed=may_have_executed)
        self.reason = reason


class CallCancelledError(CallError):
    """The call was cancelled, by this program or by the other end."""


class RemoteCallError(CallError):
    """The handler at the other end raised; the text is the one that it gave."""
