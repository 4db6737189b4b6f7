"""What a request carries: the way to the house, the reader's language, the page's address."""

from starlette.requests import HTTPConnection

from tallylight.i18n import Language, Translator, negotiate_language, translator
from tallylight.status.page_data import PageContext

LANGUAGE_COOKIE = "lang"


def context_of(request: HTTPConnection) -> PageContext:
    """Return the doors to the rest of the house, hung on the app by `make_app`."""
    reading: PageContext = request.app.state.reading
    return reading


def language_of(request: HTTPConnection) -> Language:
    """Return what the address asks for, else the reader's former choice, else the browser's."""
    for wish in (request.query_params.get(LANGUAGE_COOKIE), request.cookies.get(LANGUAGE_COOKIE)):
        if wish in set(Language):
            return Language(wish)
    options = context_of(request).sources.options
    return negotiate_language(request.headers.get("accept-language", ""), options.language)


def translator_of(request: HTTPConnection) -> Translator:
    """Return the translator into a request's language."""
    return translator(language_of(request))


def base_url_of(request: HTTPConnection) -> str:
    """Return the page's address without a slash at its end."""
    return (context_of(request).sources.options.public_url or str(request.base_url)).rstrip("/")
