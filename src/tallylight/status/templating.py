"""Renders the templates, with one environment for each language."""

from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from tallylight.i18n import Language, Translator, translator


def render(template: str, to: Translator, **view: object) -> str:
    """Return a template filled with a view."""
    return template_environment(to.language).get_template(template).render(view)


@lru_cache(maxsize=len(Language))
def template_environment(language: Language) -> Environment:
    """Return the environment whose `_` translates into a language."""
    environment = Environment(
        loader=PackageLoader("tallylight.status"),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,  # in every template, not only those named .html
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(languages=tuple(Language), language=language)
    # `install_gettext_translations` comes with the extension, not with the class.
    environment.extend(translations=None)
    install = getattr(environment, "install_gettext_translations")  # noqa: B009
    install(translator(language), newstyle=True)
    return environment
