import pytest

from tallylight.catalogue.families import model_family


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("Sora 2 官轉", "Sora 2"),
        ("Sora 2 官逆", "Sora 2"),
        ("Sora 2 Pro 官转", "Sora 2 Pro"),
        ("sora-2-official", "sora 2"),
        ("Sora 2 (reverse)", "Sora 2"),
        ("Veo 3.1", "Veo 3.1"),
        ("官逆", "官逆"),
        ("Reversed Dreams", "Reversed Dreams"),
    ],
)
def test_a_family_is_the_name_without_its_kind_of_access(name: str, family: str) -> None:
    assert model_family(name) == family
