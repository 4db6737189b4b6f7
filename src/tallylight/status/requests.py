"""Reads from a request: the page context, the reader's language, the page's address."""

from starlette.requests import HTTPConnection

from tallylight.i18n import Language, Translator, negotiate_language, translator
from tallylight.status.page_data import PageContext

LANGUAGE_COOKIE = "lang"


def context_of(request: HTTPConnection) -> PageContext:
    """Return the context that `make_status_app` has set on the app."""
    context: PageContext = request.app.state.context
    return context


def language_of(request: HTTPConnection) -> Language:
    """Return the language of the query, else of the cookie, else of Accept-Language."""
    for tag in (request.query_params.get(LANGUAGE_COOKIE), request.cookies.get(LANGUAGE_COOKIE)):
        if tag in set(Language):
            return Language(tag)
    options = context_of(request).sources.options
    return negotiate_language(request.headers.get("accept-language", ""), options.language)


def translator_of(request: HTTPConnection) -> Translator:
    """Return the translator into a request's language."""
    return translator(language_of(request))


def base_url_of(request: HTTPConnection) -> str:
    """Return the page's address without a trailing slash."""
    return (context_of(request).sources.options.public_url or str(request.base_url)).rstrip("/")
