"""Renders templates in a reader's language."""

from functools import lru_cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined

from tallylight.i18n import Language, Translator, translator
from tallylight.status.views.report import ReportView
from tallylight.status.views.report_text import report_tables


def render(template: str, to: Translator, prefix: str, **view: object) -> str:
    """Return a rendered template, whose links begin with a prefix."""
    return _template_environment(to.language, prefix).get_template(template).render(view)


def report_document(view: ReportView, public_url: str, to: Translator) -> str:
    """Return the report as one HTML document that needs no server.

    Args:
        view: The report.
        public_url: The address of the page, to which services are linked; "" for no links.
        to: The reader's language.
    """
    stylesheet = resources.files("tallylight.status") / "static" / "status.css"
    return render(
        "report_document.html",
        to,
        public_url.rstrip("/"),
        report=view,
        is_linked=bool(public_url),
        stylesheet=stylesheet.read_text("utf-8"),
    )


def report_mail(view: ReportView, link: str, to: Translator) -> str:
    """Return the report as an HTML document for mail: it needs no stylesheet.

    Args:
        view: The report.
        link: The address of the page, "" for none.
        to: The reader's language.
    """
    tables = report_tables(view, to)
    return render("report_mail.html", to, "", report=view, tables=tables, link=link)


@lru_cache(maxsize=2 * len(Language))
def _template_environment(language: Language, prefix: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("tallylight.status"),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,  # in every template, not only those named .html
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(languages=tuple(Language), language=language, base=prefix)
    # `install_gettext_translations` comes with the extension, not with the class.
    environment.extend(translations=None)
    install = getattr(environment, "install_gettext_translations")  # noqa: B009
    install(translator(language), newstyle=True)
    return environment
