"""Updates of fact sheets between releases."""

from datetime import date
from pathlib import Path

import pytest

from tallylight.catalogue.facts import built_in_sheets
from tallylight.catalogue.updates import install_update, installed_updates, updates_folder
from tallylight.errors import ConfigurationError

NEWER = """
provider: openai
sources: [a notice of the maker]
as_of: 2026-12-01
models:
  - model: sora-3
    title: Sora 3
    lengths: [4, 8]
    sizes: [1280x720]
    price: {per_second: {720p: 0.05}}
    shutdown_at: 2027-06-01
"""


def test_an_update_is_stored_and_found_again(tmp_path: Path) -> None:
    sheets = install_update(NEWER, "newer.yaml", tmp_path / "facts")

    found = installed_updates(tmp_path / "facts")

    assert [sheet.id for sheet in sheets] == ["openai/sora-3"]
    assert found["openai/sora-3"].shutdown_at == date(2027, 6, 1)
    assert "openai/sora-3" not in built_in_sheets()


def test_a_later_update_of_a_provider_replaces_the_earlier(tmp_path: Path) -> None:
    install_update(NEWER, "newer.yaml", tmp_path)
    install_update(NEWER.replace("sora-3", "sora-4"), "newest.yaml", tmp_path)

    assert list(installed_updates(tmp_path)) == ["openai/sora-4"]


def test_an_update_with_a_fault_changes_nothing(tmp_path: Path) -> None:
    install_update(NEWER, "newer.yaml", tmp_path)

    with pytest.raises(ConfigurationError) as refusal:
        install_update(NEWER.replace("per_second", "per_secnd"), "broken.yaml", tmp_path)

    assert "broken.yaml:10" in {problem.where for problem in refusal.value.problems}
    assert list(installed_updates(tmp_path)) == ["openai/sora-3"]
    assert [path.name for path in tmp_path.iterdir()] == ["openai.yaml"]


def test_without_a_folder_there_are_no_updates(tmp_path: Path) -> None:
    assert installed_updates(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TALLYLIGHT_FACTS": "/srv/facts"}, Path("/srv/facts")),
        ({"XDG_DATA_HOME": "/data"}, Path("/data/tallylight/facts")),
        ({}, Path.home() / ".local/share/tallylight/facts"),
    ],
)
def test_the_folder_is_in_the_users_data_directory(
    environment: dict[str, str], expected: Path
) -> None:
    assert updates_folder(environment) == expected


def test_an_installed_update_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "saygm.yaml").write_bytes(b"\xff")

    with pytest.raises(ConfigurationError, match="is not UTF-8 text"):
        installed_updates(tmp_path)
