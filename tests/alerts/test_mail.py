"""What a mail says, sent over SMTP to a server on this machine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_string
from email.header import decode_header, make_header

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

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], mails


async def test_a_mail_has_the_lines_of_the_message_and_no_markup() -> None:
    lines = ["🔴 veo <fast> & cheap: Suspended", "🔴 Sora 2: Suspended", "https://s.example/"]

    async with mail_server() as (port, mails):
        url = f"mailto://127.0.0.1:{port}/?from=monitor@example.com&to=team@example.com"
        options = AlertOptions.model_validate({"receivers": {"mail": {"url": url}}})
        receiver = open_receiver(options.receivers["mail"])
        assert receiver is not None
        assert await receiver.send(RenderedNotification("🔴 2 Dienste", "\n".join(lines)), NOON)

    (mail,) = (message_from_string(text) for text in mails)
    texts = [part for part in mail.walk() if part.get_content_type() == "text/plain"]
    payload = texts[0].get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode().splitlines()[:3] == lines
    assert str(make_header(decode_header(mail["subject"]))) == "🔴 2 Dienste"
