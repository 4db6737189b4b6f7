"""Google's exchange of an assertion for a token, with accounts whose keys are made when asked for.

Sources: RFC 7523, developers.google.com/identity/protocols/oauth2/service-account, as stored in
2026. How far a clock may be off is not verified.
"""

from functools import cache

import jwt
from starlette.datastructures import FormData
from starlette.responses import JSONResponse, Response

from tallylight.simulator.kernel import Exchange, Kernel
from tallylight.simulator.refusals import UnknownKeyError
from tallylight.simulator.scenario import ScenarioKey

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFETIME, _SKEW = 3600, 300
_DOMAIN = "@simulated.iam.gserviceaccount.com"


@cache
def account_key(account: str) -> str:
    """Return the private key of an account, PEM; it needs the package cryptography."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    del account
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _public_key(account: str) -> object:
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_pem_private_key,
    )

    return load_pem_private_key(account_key(account).encode(), None).public_key()


def account_address(key: ScenarioKey) -> str:
    """Return the address of an account."""
    return key.key + _DOMAIN


class GoogleTokens:
    """The tokens of one upstream."""

    def __init__(self, kernel: Kernel, audience: str) -> None:
        """Begin without a token.

        Args:
            kernel: The upstream.
            audience: The path below its base URL at which assertions are exchanged.
        """
        self._kernel = kernel
        self._audience = audience
        self._keys: dict[str, tuple[str, float]] = {}

    def authenticate(self, given: str) -> ScenarioKey:
        """Return the key of a token, of an account or a static one; raise for an unknown one."""
        account, ends_at = self._keys.get(given, ("", 0.0))
        if account and self._kernel.world.clock.unix_time() < ends_at:
            return self._kernel.authenticate(account)
        known = self._kernel.find_key(given)
        if known is None or known.secret:
            raise UnknownKeyError(given)
        return self._kernel.authenticate(given)

    def revoke(self) -> None:
        """End all tokens."""
        self._keys.clear()

    async def exchange(self, exchange: Exchange) -> Response:
        """Return a token of an hour for an assertion."""
        form = await exchange.request.form()
        account, refusal = self._account_in(form)
        if account is None:
            body = {"error": "invalid_grant", "error_description": refusal}
            return JSONResponse(body, 400)
        token = f"ya29.{self._kernel.world.random_hex(48)}"
        ends_at = self._kernel.world.clock.unix_time() + _LIFETIME
        self._keys[token] = (account.key, ends_at)
        return JSONResponse(
            {"access_token": token, "expires_in": _LIFETIME, "token_type": "Bearer"}
        )

    def _account_in(self, form: FormData) -> tuple[ScenarioKey | None, str]:
        """Return the account that an assertion proves, else None and why it is refused."""
        if form.get("grant_type") != _GRANT:
            return None, f"Unsupported grant type: {form.get('grant_type')}"
        assertion = str(form.get("assertion", ""))
        try:
            claimed = jwt.decode(assertion, options={"verify_signature": False})
        except jwt.InvalidTokenError:
            return None, "Invalid JWT."
        known = self._kernel.find_key(str(claimed.get("iss")).removesuffix(_DOMAIN))
        if known is None or not known.secret:
            return None, "Invalid grant: account not found"
        try:
            jwt.decode(
                assertion,
                _public_key(known.key),  # type: ignore[arg-type]  # the package is not here always
                algorithms=["RS256"],
                audience=f"{self._kernel.url}{self._audience}",
                options={"verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError as error:
            return None, f"Invalid JWT Signature: {error}"
        now = self._kernel.world.clock.unix_time()
        begins, ends = int(claimed.get("iat") or 0), int(claimed.get("exp") or 0)
        if begins > now + _SKEW or ends <= now or ends - begins > _LIFETIME:
            return None, "Invalid JWT: Token must be a short-lived token in a reasonable timeframe."
        return (known, "") if claimed.get("scope") else (None, "Invalid OAuth scope.")
