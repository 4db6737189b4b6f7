"""Identifiers: strings that mypy keeps apart."""

from typing import NewType

ProviderId = NewType("ProviderId", str)
UpstreamId = NewType("UpstreamId", str)
ServiceId = NewType("ServiceId", str)
AttemptId = NewType("AttemptId", str)
IncidentId = NewType("IncidentId", str)
VideoId = NewType("VideoId", str)
KeyId = NewType("KeyId", str)

NO_SERVICE = ServiceId("")
NO_VIDEO = VideoId("")
NO_KEY = KeyId("")
