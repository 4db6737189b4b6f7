"""The templates, one environment a language."""

from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from tallylight.i18n import Language, Translator, translator


def render(template: str, to: Translator, **view: object) -> str:
    """Return a template filled with a finished view."""
    return template_environment(to.language).get_template(template).render(view)


@lru_cache(maxsize=len(Language))
def template_environment(language: Language) -> Environment:
    """Return the environment whose `_` speaks a language."""
    made = Environment(
        loader=PackageLoader("tallylight.status"),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,  # in all, whatever their names end with
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(languages=tuple(Language), language=language)
    # `install_gettext_translations` comes with the extension, not with the class.
    made.extend(translations=None)
    install = getattr(made, "install_gettext_translations")  # noqa: B009
    install(translator(language), newstyle=True)
    return made
