"""The demo's gateway serves the official SDK with the key that the demo prints."""

from typing import TYPE_CHECKING

import pytest
import requests
from openai import OpenAI

if TYPE_CHECKING:
    from tests.e2e.conftest import Demo

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")


@pytest.fixture
def sdk(demo: "Demo") -> OpenAI:
    address = demo.program.has_printed(r"Gateway: +(http://\S+/v1)\n")[1]
    key = demo.program.has_printed(r"Its key: +(\S+)\n")[1]
    return OpenAI(base_url=address, api_key=key)


def test_a_video_is_made_remixed_and_downloaded(demo: "Demo", sdk: OpenAI) -> None:
    video = sdk.videos.create_and_poll(model="sora-2", prompt="a boat in the demo", seconds="4")
    remix = sdk.videos.remix(video.id, prompt="a red boat in the demo")
    content = sdk.videos.download_content(video.id).read()

    ledger = requests.get(f"{demo.world}/_sim/ledger", timeout=10).json()
    assert video.status == "completed", video.error
    assert content[4:8] == b"ftyp"
    assert remix.remixed_from_video_id == video.id
    assert [ledger["by_prompt"][one.prompt or ""]["jobs"] for one in (video, remix)] == [1, 1]


def test_the_models_are_the_routes_of_the_demo(sdk: OpenAI) -> None:
    models = [model.id for model in sdk.models.list()]

    assert {"sora-2", "sora-2-official"} <= set(models)
