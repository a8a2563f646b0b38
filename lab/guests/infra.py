# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's log collector: syslog over TCP, each message counted, one line for each in /var/log/collected."""

from __future__ import annotations

import asyncio


async def collect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Append the messages of one connection, each after the address that sent it."""
    peer = writer.get_extra_info("peername")[0].encode()
    try:
        while True:
            size = int(await reader.readuntil(b" "))
            message = await reader.readexactly(size)
            with open("/var/log/collected", "ab") as handle:
                handle.write(peer + b" " + message.replace(b"\n", b" ") + b"\n")
    except (asyncio.IncompleteReadError, ValueError, OSError):
        writer.close()


async def main() -> None:
    """Serve for ever."""
    server = await asyncio.start_server(collect, "198.18.0.3", 6514)
    await server.serve_forever()


asyncio.run(main())
