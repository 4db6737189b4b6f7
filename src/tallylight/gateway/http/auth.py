"""Authentication: by API key, or anonymous from this machine where the operator allows it."""

from collections.abc import Callable, Collection
from functools import lru_cache
from http import HTTPStatus
from ipaddress import ip_address

from tallylight.gateway.http.request import HttpRequest
from tallylight.gateway.keys import ANONYMOUS, Caller, KeyRegistry
from tallylight.gateway.requests import ApiError
from tallylight.gateway.settings import GatewaySettings

_MIN_LENGTH_TO_SHOW = 12


class Authenticator:
    """Authenticates the caller of each request and applies its rate limit."""

    def __init__(self, keys: KeyRegistry, settings: Callable[[], GatewaySettings]) -> None:
        self._keys = keys
        self._settings = settings

    async def authenticate(self, request: HttpRequest) -> Caller:
        """Return the caller of a request.

        Raises:
            ApiError: if the key is missing or not valid.
        """
        secret = _secret_in(request)
        caller = await self._keys.authenticate(secret) if secret else None
        if caller is not None:
            return caller
        if not self._settings().allows_anonymous:
            raise _unauthorized(secret)
        # Anonymous access trusts this machine, and a browser on it runs code of other sites.
        _refuse_cross_site(request, self._settings().allowed_origins)
        return ANONYMOUS

    def check_rate_limit(self, caller: Caller) -> None:
        """Count a request that may cost money.

        Raises:
            ApiError: if the caller exceeds its rate limit.
        """
        wait = self._keys.check_rate_limit(caller)
        if wait is not None:
            raise ApiError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"Rate limit reached for this key: {caller.per_minute} requests a minute. "
                f"Please try again in {wait.total_seconds():.1f} s.",
                code="rate_limit_exceeded",
                retry_after=wait,
            )


def _secret_in(request: HttpRequest) -> str:
    """Return the API key: a bearer token, or Azure's `api-key` header."""
    scheme, _, bearer = request.header(b"authorization").partition(" ")
    if scheme.lower() == "bearer" and bearer:
        return bearer.strip()
    return request.header(b"api-key").strip()


def _unauthorized(secret: str) -> ApiError:
    if not secret:
        message = (
            "You didn't provide an API key. Send one of this gateway's keys as "
            "'Authorization: Bearer YOUR_KEY'."
        )
    else:
        message = f"Incorrect API key provided: {_masked(secret)}."
    return ApiError(
        HTTPStatus.UNAUTHORIZED, message, code="invalid_api_key", type="invalid_request_error"
    )


def _masked(secret: str) -> str:
    # Of a short text, seven shown characters would be most of it.
    if len(secret) < _MIN_LENGTH_TO_SHOW or not secret.isascii() or not secret.isprintable():
        return "***"
    return f"{secret[:3]}***{secret[-4:]}"


def _refuse_cross_site(request: HttpRequest, allowed_origins: Collection[str]) -> None:
    """Refuse anonymous requests that a web page sends through the operator's browser.

    A browser names the origin of a request. The Host header reveals a foreign name that resolves
    to this machine (DNS rebinding). A page whose origin the operator names is trusted; "*" names
    none, or every page could spend the operator's money.
    """
    host = request.header(b"host")
    origin = request.header(b"origin")
    site = request.header(b"sec-fetch-site")
    is_own_page = origin in {"", f"http://{host}"} and site in {"", "none", "same-origin"}
    is_trusted = is_own_page or origin in allowed_origins
    if not is_trusted or not _is_loopback_host(host):
        raise ApiError(
            HTTPStatus.FORBIDDEN,
            "Without a key this gateway serves programs on its own machine, not web pages.",
            code="key_required",
        )


@lru_cache(64)
def _is_loopback_host(host: str) -> bool:
    # A port follows the last colon, unless that colon belongs to an IPv6 address.
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name in {"", "localhost"} or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
