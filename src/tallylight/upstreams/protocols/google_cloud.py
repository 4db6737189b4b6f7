"""What Google's models at Vertex AI share: accounts, and films in a bucket of the operator.

Each create may store its film in a folder of its own, which our mark names. A film that lies there
proves the create, while an empty folder proves nothing.
"""

import re
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import quote

from pydantic import Field

from tallylight.documents.addresses import HttpUrl
from tallylight.documents.section import Section
from tallylight.model.evidence import Failure
from tallylight.model.jobs import JobRef, Made
from tallylight.upstreams.addresses import resolved_address
from tallylight.upstreams.auth import BEARER, Auth, HeaderAuth
from tallylight.upstreams.error_table import Errors
from tallylight.upstreams.google_oauth import ServiceAccountAuth
from tallylight.upstreams.json_access import json_timestamp
from tallylight.upstreams.messages import ANY_STATUS, Phase, Reply, Request, get
from tallylight.upstreams.protocol import Doubt, Flow, Site
from tallylight.upstreams.protocols.model_list import not_listed
from tallylight.upstreams.protocols.paths import path_segment
from tallylight.upstreams.steps import VIDEO, Accepted, Done, Listed, Output, Page, Step

VERTEX = "vertex"
"""The dialect of all protocols by which Vertex AI sells films."""

_OBJECT = re.compile(r"gs://([a-z0-9._-]{3,222})/(.{1,1024})", re.DOTALL)
_FILM_END = ".mp4"


class GoogleCloudOptions(Section):
    """What an upstream of the dialect `vertex` may set.

    Args:
        bucket: The folder of a bucket of yours in which films are stored, each create in one of its
            own: "gs://my-bucket/films". Without it a film is inside the answer.
        storage_url: The host of the bucket.
        service_account: The address of the account whose private key is the upstream's `key`; ""
            where the key is an access token.
        token_url: Where the key of a service account is exchanged for a token.
    """

    bucket: str = Field("", pattern=r"^(gs://[a-z0-9._-]{3,222}(/[A-Za-z0-9._-]{1,100}){0,8})?$")
    storage_url: HttpUrl = "https://storage.googleapis.com"
    service_account: str = ""
    token_url: HttpUrl = "https://oauth2.googleapis.com/token"  # noqa: S105  # an address


def google_auth(site: Site) -> Auth:
    """Return how requests to Google are signed: by an account at Vertex AI, else by a key."""
    if site.dialect != VERTEX:
        return HeaderAuth("x-goog-api-key")
    options = site.options_as(GoogleCloudOptions)
    if not options.service_account:
        return BEARER
    return ServiceAccountAuth(options.service_account, options.token_url)


def google_origins(site: Site) -> tuple[str, ...]:
    """Return the hosts of bucket and tokens."""
    options = site.options_as(GoogleCloudOptions)
    return (options.storage_url, options.token_url) if site.dialect == VERTEX else ()


def check_google_model(site: Site, errors: Errors, model: str) -> Flow[Accepted | Failure | None]:
    """Ask for a model; one that is gone is not there. At Vertex AI it belongs to no project."""
    root, projects, _ = site.base_url.partition("/projects/")
    place = f"{root}/publishers/google/models" if projects else "/models"
    reply = yield get(Phase.PROBE, f"{place}/{path_segment(model)}", reads=ANY_STATUS)
    if reply.status == HTTPStatus.NOT_FOUND:
        return not_listed(model, reply.status)
    is_model = reply.is_success and bool(reply.json.text("name"))
    return None if is_model else errors.failure(reply, "models:unreadable")


class FilmBucket:
    """The bucket of one upstream; it has no place if none is set."""

    def __init__(self, site: Site, errors: Errors) -> None:
        options = site.options_as(GoogleCloudOptions)
        self.place = options.bucket if site.dialect == VERTEX else ""
        self._base_url = site.base_url
        self._storage_url = options.storage_url.rstrip("/")
        self._errors = errors

    @property
    def find(self) -> Callable[[Doubt, str], Flow[Page | Failure]] | None:
        """Return what looks for a create in doubt, None without a place."""
        return self._find if self.place else None

    def folder(self, mark: str) -> str:
        """Return the folder of a create."""
        return f"{self.place}/{mark}/"

    def address(self, uri: str) -> str:
        """Return where a film is had, also one in a bucket; "" for no address."""
        found = _OBJECT.fullmatch(uri)
        if found is None:
            return resolved_address(uri, self._base_url)
        return f"{self._objects(found[1])}/{quote(found[2], safe='')}?alt=media"

    def poll(self, job: JobRef) -> Flow[Step]:
        """Ask again for a film that was found in its folder: no other name of the job is known."""
        reply = yield self._question(job.id)
        found = self._films_in(reply)
        return Done(found) if found else self._errors.no_job(reply, "folder:empty")

    def _find(self, doubt: Doubt, cursor: str) -> Flow[Page | Failure]:  # noqa: ARG002  # one page
        place = self.folder(doubt.mark)
        reply = yield self._question(place)
        if not reply.json.is_object:
            return self._errors.failure(reply, "folder:unreadable")
        films = self._films_in(reply)
        if not films:
            return Page(())
        created = (json_timestamp(each.text("timeCreated")) for each in reply.json.items("items"))
        step = Done(films, Made(model=doubt.order.model))
        return Page((Listed(JobRef(place), step, doubt.mark, created_at=next(created, None)),))

    def _objects(self, bucket: str) -> str:
        return f"{self._storage_url}/storage/v1/b/{bucket}/o"

    def _question(self, place: str) -> Request:
        found = _OBJECT.fullmatch(place)
        bucket, prefix = (found[1], found[2]) if found else ("", "")
        return get(Phase.LIST, self._objects(bucket), {"prefix": prefix})

    def _films_in(self, folder: Reply) -> tuple[Output, ...]:
        objects = [(e.text("bucket"), e.text("name")) for e in folder.json.items("items")]
        films = sorted(each for each in objects if each[1].endswith(_FILM_END))
        urls = (self.address(f"gs://{bucket}/{name}") for bucket, name in films)
        return tuple(
            Output(VIDEO, get(Phase.CONTENT, url), index)
            for index, url in enumerate(filter(None, urls))
        )


def is_place(job: JobRef) -> bool:
    """Tell whether a job is known by the folder of its film alone."""
    return job.id.startswith("gs://")
