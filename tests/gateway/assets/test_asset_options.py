from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tallylight.config.settings import load_configuration
from tallylight.errors import ConfigurationError
from tallylight.gateway.assets.options import AssetOptions

_REST = """
upstreams: {u: {provider: saygm, base_url: "https://u.example"}}
services: {s: {upstream: u, model: minimax/h3}}
"""

Assets = Callable[[str], AssetOptions]
LoadErrors = Callable[[str], list[str]]


@pytest.fixture
def assets(tmp_path: Path) -> Assets:
    """Return a function that loads the section `assets`, which starts in line 2."""

    def load(section: str) -> AssetOptions:
        path = tmp_path / "tallylight.yaml"
        path.write_text(f"assets:\n{section}{_REST}", encoding="utf-8")
        return load_configuration(
            path, {"S3_ID": "id-of-a-key", "S3_SECRET": "secret-of-a-key"}
        ).assets

    return load


@pytest.fixture
def errors(assets: Assets) -> LoadErrors:
    """Return a function that returns the errors of such a section."""

    def load(section: str) -> list[str]:
        with pytest.raises(ConfigurationError) as raised:
            assets(section)
        return str(raised.value).splitlines()

    return load


def test_a_bucket_is_read_with_its_key(assets: Assets) -> None:
    found = assets(
        "  location: s3://films/of/all\n"
        "  endpoint: https://s3.example/\n"
        "  region: eu-central-2\n"
        "  key_id: ${S3_ID}\n"
        "  secret: ${S3_SECRET}\n"
        "  keep: 30d\n"
    )

    assert found.is_bucket
    assert found.endpoint == "https://s3.example"
    assert found.key_id is not None
    assert found.key_id.reveal() == "id-of-a-key"
    assert found.keep == timedelta(days=30)
    assert "of-a-key" not in repr(found) + found.model_dump_json()


def test_assets_lie_in_a_directory_by_default(assets: Assets) -> None:
    assert not assets("  keep: 1d\n").is_bucket


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ("  location: gs://films\n", ":2: assets.location: is neither a directory nor a bucket"),
        ("  location: s3://\n", ":2: assets.location: is neither a directory nor a bucket"),
        ("  location: s3://films/../x y\n", ":2: assets.location: is neither a directory"),
        ("  location: a\n  endpoint: https://s3.example\n", ":3: assets.endpoint: belongs to a"),
        ("  region: eu-central-2\n", ":2: assets.region: belongs to a bucket"),
        ("  region: EU!\n", ":2: assets.region: does not match the pattern"),
        (
            "  location: s3://films\n  endpoint: http://s3.example\n",
            ":3: assets.endpoint: would receive videos unencrypted",
        ),
        (
            "  location: s3://films\n  secret: ${S3_SECRET}\n",
            ":3: assets.secret: and `key_id` belong together",
        ),
        (
            "  location: s3://films\n  key_id: ${S3_ID}\n",
            ":1: assets.secret: and `key_id` belong together",
        ),
        ("  keep: forever\n", ":2: assets.keep: 'forever' is not a duration"),
        ("  bucket: films\n", ":2: assets.bucket: is not a known key"),
    ],
)
def test_errors_name_their_line(errors: LoadErrors, section: str, complaint: str) -> None:
    (found,) = errors(section)

    assert found.startswith(f"tallylight.yaml{complaint}")
    assert "of-a-key" not in found
