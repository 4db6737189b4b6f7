"""Google's OAuth: a service account signs an assertion, and exchanges it for a token of an hour.

The private key stays here. An assertion goes to the configured host of tokens alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from tallylight.upstreams.auth import BEARER, MintingAuth, Token, Wire
from tallylight.upstreams.messages import Phase, Reply, Request, post_form

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFETIME = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ServiceAccountAuth(MintingAuth):
    """Signs with a token for which the private key of a service account (PEM) is exchanged.

    Args:
        account: The account's address.
        token_url: Where an assertion is exchanged.
    """

    account: str
    token_url: str

    def headers(self, wire: Wire, secret: str, now: float) -> Mapping[str, str]:
        """Return the header."""
        return BEARER.headers(wire, secret, now)

    def exchange(self, secret: str, now: float) -> Request:
        """Return the request for a token of an hour."""
        fields = {"grant_type": _GRANT, "assertion": self._assertion(secret, now)}
        return replace(post_form(Phase.PROBE, self.token_url, fields), is_signed=False)

    def token_in(self, reply: Reply) -> Token | None:
        """Return the token of an answer."""
        value = reply.json.text("access_token") if reply.is_success else ""
        seconds = reply.json.integer("expires_in") or 0
        return Token(value, timedelta(seconds=min(max(seconds, 0), 86_400))) if value else None

    def _assertion(self, private_key: str, now: float) -> str:
        import jwt  # noqa: PLC0415  # it takes 50 ms, and few upstreams need it

        claims = {
            "iss": self.account,
            "scope": _SCOPE,
            "aud": self.token_url,
            "iat": int(now),
            "exp": int(now + _LIFETIME.total_seconds()),
        }
        pem = private_key.replace("\\n", "\n")  # as it stands in the file of an account
        try:
            return jwt.encode(claims, pem, algorithm="RS256")
        except NotImplementedError:
            raise ValueError("a service account needs: pip install 'tallylight[vertex]'") from None
        except (ValueError, TypeError, jwt.PyJWTError):
            raise ValueError("the key is not the private key of a service account") from None
