"""What a mail says, sent over SMTP to a server on this machine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_string
from email.header import decode_header, make_header

import pytest

from tallylight.alerts.options import AlertOptions
from tallylight.alerts.receivers import RenderedNotification, open_receiver
from tests.builders import NOON


@asynccontextmanager
async def mail_server() -> AsyncIterator[tuple[int, list[str]]]:
    """Run a server that accepts each mail; give its port and the mails."""
    mails: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test\r\n")
        while line := (await reader.readline()).decode().upper():
            if line.startswith("DATA"):
                writer.write(b"354 go on\r\n")
                mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
            writer.write(b"221 bye\r\n" if line.startswith("QUIT") else b"250 ok\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)
    async with server:
        yield server.sockets[0].getsockname()[1], mails


async def sent_mail(message: RenderedNotification, query: str = "") -> dict[str, str]:
    """Send a message by mail; return the mail's texts by content type, and its subject."""
    async with mail_server() as (port, mails):
        url = f"mailto://127.0.0.1:{port}/?from=monitor@example.com&to=team@example.com{query}"
        options = AlertOptions.model_validate({"receivers": {"mail": {"url": url}}})
        receiver = open_receiver(options.receivers["mail"])
        assert receiver is not None
        assert await receiver.send(message, NOON)
    (mail,) = (message_from_string(text) for text in mails)
    texts = {"subject": str(make_header(decode_header(mail["subject"])))}
    for part in mail.walk():
        payload = part.get_payload(decode=True)
        if isinstance(payload, bytes):
            texts[part.get_content_type()] = payload.decode()
    return texts


async def test_a_mail_has_the_lines_of_the_message_and_no_markup() -> None:
    lines = ["🔴 veo <fast> & cheap: Suspended", "🔴 Sora 2: Suspended", "https://s.example/"]

    mail = await sent_mail(RenderedNotification("🔴 2 Dienste", "\n".join(lines)))

    assert mail["text/plain"].splitlines()[:3] == lines
    assert mail["subject"] == "🔴 2 Dienste"


@pytest.mark.parametrize("rows", [1, 3000])
async def test_a_mail_shows_a_document_whole(rows: int) -> None:
    html = f"<table>{'<tr><td>Veo &lt;b&gt;</td></tr>' * rows}</table>"

    mail = await sent_mail(RenderedNotification("Report", "Veo <b>", html=html))

    assert html in mail["text/html"].replace("\r\n", "\n")
    assert "Veo <b>" in mail["text/plain"]


async def test_a_mail_that_is_to_be_text_shows_the_lines() -> None:
    message = RenderedNotification("Report", "Veo: 99%", html="<p>Veo</p>")

    mail = await sent_mail(message, "&format=text")

    assert "text/html" not in mail
    assert mail["text/plain"].startswith("Veo: 99%")
