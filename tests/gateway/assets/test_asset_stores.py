"""One contract for both stores: a directory, and a bucket on a local server."""

import asyncio
import os
import stat
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from tallylight.documents.secret import Secret
from tallylight.errors import StorageError
from tallylight.gateway.assets.directory import DirectoryStore
from tallylight.gateway.assets.options import AssetOptions, open_store
from tallylight.gateway.assets.store import CHUNK_SIZE, AssetStore, checked_name

MIB = 1024 * 1024
FILM = os.urandom(MIB + 12_345)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Return the URL of a local S3 server with the bucket "films"."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    requests.put(f"{address}/films", timeout=10).raise_for_status()
    yield address
    server.stop()


@pytest.fixture(params=["directory", "bucket"])
def options(request: pytest.FixtureRequest, tmp_path: Path) -> AssetOptions:
    """Return the options of an empty store of either kind."""
    if request.param == "directory":
        return AssetOptions(location=str(tmp_path / "assets"))
    return AssetOptions(
        location=f"s3://films/{tmp_path.name}",
        endpoint=request.getfixturevalue("s3"),
        key_id=Secret("id-of-a-key"),
        secret=Secret("secret-of-a-key"),
    )


@pytest.fixture
def store(options: AssetOptions) -> AssetStore:
    return open_store(options, "sqlite:///elsewhere.db")


async def read(store: AssetStore, name: str, start: int = 0, end: int | None = None) -> bytes:
    """Return the bytes of an asset."""
    async with store.open(name, start, end) as (_, chunks):
        return b"".join([piece async for piece in chunks])


async def test_a_stored_asset_is_read_unchanged(store: AssetStore, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(FILM)

    await store.save("videos/video_1.mp4", film)
    await store.put("references/1.png", b"a picture")

    assert await read(store, "videos/video_1.mp4") == FILM
    assert await read(store, "references/1.png") == b"a picture"
    assert film.read_bytes() == FILM


async def test_an_asset_is_read_in_small_chunks_with_its_size(store: AssetStore) -> None:
    await store.put("film", FILM)

    async with store.open("film") as (size, chunks):
        pieces = [piece async for piece in chunks]

    assert size == len(FILM)
    assert max(map(len, pieces)) <= CHUNK_SIZE
    assert b"".join(pieces) == FILM


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (0, None),
        (0, 1),
        (1, None),
        (CHUNK_SIZE - 1, CHUNK_SIZE + 1),
        (100, 5 * CHUNK_SIZE),
        (len(FILM) - 1, len(FILM)),
        (len(FILM) - 1, 10 * len(FILM)),
        (len(FILM), None),
        (2 * len(FILM), None),
        (5, 5),
        (5, 4),
    ],
)
async def test_a_range_is_read_from_start_to_end(
    store: AssetStore, start: int, end: int | None
) -> None:
    await store.put("film", FILM)

    async with store.open("film", start, end) as (size, chunks):
        found = b"".join([piece async for piece in chunks])

    assert size == len(FILM)
    assert found == FILM[start:end]


async def test_an_empty_asset_is_an_asset(store: AssetStore) -> None:
    await store.put("nothing", b"")

    assert await store.size("nothing") == 0
    assert await read(store, "nothing") == b""


async def test_a_name_has_the_asset_stored_last(store: AssetStore, tmp_path: Path) -> None:
    (tmp_path / "film").write_bytes(b"the second film")
    await store.put("film", FILM)

    await store.save("film", tmp_path / "film")

    assert await read(store, "film") == b"the second film"


async def test_a_reader_continues_with_the_asset_that_it_opened(store: AssetStore) -> None:
    await store.put("film", FILM)

    async with store.open("film") as (_, chunks):
        first = await anext(chunks)
        await store.delete("film")
        rest = [piece async for piece in chunks]

    assert first + b"".join(rest) == FILM


async def test_a_missing_asset_is_reported(store: AssetStore) -> None:
    await store.put("film", b"film")
    await store.delete("film")
    await store.delete("film")

    assert await store.size("film") is None
    for start in (0, 1):
        with pytest.raises(LookupError):
            async with store.open("film", start):
                pass


async def test_many_assets_are_stored_and_read_concurrently(store: AssetStore) -> None:
    await asyncio.gather(*(store.put(f"films/{n}", bytes([n]) * CHUNK_SIZE) for n in range(20)))

    found = await asyncio.gather(*(read(store, f"films/{n}") for n in range(20)))

    assert found == [bytes([n]) * CHUNK_SIZE for n in range(20)]


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../film", "a/../../film", "/film", "a//b", "a/", ".part", "a/.b", "a\\b",
     "a\0b", "ä", "a b", "a\n", "x" * 201],
)  # fmt: skip
async def test_no_name_leads_out_of_the_store(store: AssetStore, tmp_path: Path, name: str) -> None:
    (tmp_path / "film").write_bytes(b"of somebody else")

    for act in (
        lambda: store.put(name, b""),
        lambda: store.save(name, tmp_path / "film"),
        lambda: read(store, name),
        lambda: store.size(name),
        lambda: store.delete(name),
    ):
        with pytest.raises(ValueError, match="is not the name of an asset"):
            await act()

    assert (tmp_path / "film").read_bytes() == b"of somebody else"


@given(st.text())
def test_every_name_stays_below_its_directory(name: str) -> None:
    root = Path("/assets")
    try:
        path = root / checked_name(name)
    except ValueError:
        return

    assert path.is_relative_to(root)
    assert ".." not in path.parts
    assert path != root


async def test_an_unreachable_store_is_reported_without_its_key(s3: str) -> None:
    options = AssetOptions(
        location="s3://no-such-bucket",
        endpoint=s3,
        key_id=Secret("id-of-a-key"),
        secret=Secret("secret-of-a-key"),
    )
    store = open_store(options, "sqlite:///elsewhere.db")

    with pytest.raises(StorageError, match="assets s3://no-such-bucket: ") as raised:
        await store.put("film", b"film")

    assert "of-a-key" not in str(raised.value)


# The tests below concern only the directory.


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "assets"


@pytest.fixture
def directory(root: Path) -> DirectoryStore:
    store = DirectoryStore(root)
    store.prepare()
    return store


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names_in(path: Path) -> list[str]:
    return sorted(each.name for each in path.iterdir())


async def test_only_the_servers_user_may_read_the_files(
    directory: DirectoryStore, root: Path
) -> None:
    umask = os.umask(0)
    try:
        await directory.put("videos/film", b"film")
    finally:
        os.umask(umask)

    assert mode_of(root) == 0o700
    assert mode_of(root / "videos" / "film") == 0o600


async def test_a_failed_write_keeps_the_old_asset(
    directory: DirectoryStore, root: Path, tmp_path: Path
) -> None:
    await directory.put("film", b"film")

    with pytest.raises(StorageError):
        await directory.save("film", tmp_path / "not-there")

    assert await read(directory, "film") == b"film"
    assert names_in(root) == ["film"]


async def test_partial_files_are_deleted_after_a_day(directory: DirectoryStore, root: Path) -> None:
    await directory.put("videos/film", b"film")
    old, fresh = root / "videos" / ".a.part", root / "videos" / ".b.part"
    for part in (old, fresh):
        part.write_bytes(b"half")
    os.utime(old, (0, 0))

    directory.prepare()

    assert names_in(root / "videos") == [".b.part", "film"]


def test_an_unwritable_directory_is_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(StorageError, match=r"assets .*: Not a directory"):
        open_store(AssetOptions(location=str(tmp_path / "file" / "assets")), "sqlite:///x.db")


def test_assets_lie_beside_the_database_by_default(tmp_path: Path) -> None:
    default = AssetOptions()

    assert default.directory(f"sqlite:///{tmp_path}/x.db") == tmp_path / "assets"
    assert default.directory("sqlite:///tallylight.db") == Path("assets")
    assert default.directory("postgresql://u@h/name") == Path("assets")
    assert AssetOptions(location="films").directory("sqlite:////x/y.db") == Path("films")


async def test_a_long_video_takes_no_memory(store: AssetStore, tmp_path: Path) -> None:
    film = tmp_path / "film"
    with film.open("wb") as file:
        file.truncate(64 * MIB)
    tracemalloc.start()

    await store.save("film", film)
    read_bytes = 0
    async with store.open("film") as (_, chunks):
        async for piece in chunks:
            read_bytes += len(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert read_bytes == 64 * MIB
    # The S3 server runs in this process and holds its objects in memory.
    if isinstance(store, DirectoryStore):
        assert peak < 4 * MIB
