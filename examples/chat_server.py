"""A chat server: what one says, all the others hear."""

import asyncio
from typing import Self


class Room:
    """The people who are connected, by name."""

    def __init__(self) -> None:
        self.people: dict[str, asyncio.StreamWriter] = {}

    def tell(self, text: str, speaker: str) -> None:
        """Sends a line to everybody but the speaker."""
        for name, writer in self.people.items():
            if name != speaker:
                writer.write(f"{text}\n".encode())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The first line is the name, each other one is for the room."""
        name = (await reader.readline()).decode().strip()
        writer.write(f"welcome {name}, {len(self.people)} here\n".encode())
        self.people[name] = writer
        self.tell(f"{name} joins", name)
        async for line in reader:
            self.tell(f"{name}: {line.decode().strip()}", name)
        del self.people[name]
        self.tell(f"{name} leaves", name)
        writer.close()
        await writer.wait_closed()


class Person:
    """A client that prints what it hears."""

    def __init__(
        self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.name = name
        self.reader = reader
        self.writer = writer

    @classmethod
    async def enter(cls, name: str, port: int) -> Self:
        """Connects and introduces itself."""
        person = cls(name, *await asyncio.open_connection("127.0.0.1", port))
        person.say(name)
        await person.hear()
        return person

    def say(self, text: str) -> None:
        """Sends a line."""
        self.writer.write(f"{text}\n".encode())

    async def hear(self) -> None:
        """Waits for a line and prints it."""
        line = await self.reader.readline()
        print(f"{self.name} hears: {line.decode().strip()}")

    async def leave(self) -> None:
        """Closes the connection."""
        self.writer.close()
        await self.writer.wait_closed()


async def main() -> None:
    """Three people come, talk and go, each line heard before the next one is said."""
    room = Room()
    server = await asyncio.start_server(room.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        ada = await Person.enter("Ada", port)
        bo = await Person.enter("Bo", port)
        await ada.hear()
        cy = await Person.enter("Cy", port)
        await ada.hear()
        await bo.hear()
        ada.say("hello, both of you")
        await bo.hear()
        await cy.hear()
        await bo.leave()
        await ada.hear()
        await cy.hear()
        cy.say("just the two of us")
        await ada.hear()
        await cy.leave()
        await ada.hear()
        await ada.leave()
        while room.people:
            await asyncio.sleep(0.001)
    print("the room is empty")


if __name__ == "__main__":
    asyncio.run(main())
