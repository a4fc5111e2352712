"""The loop's own methods for plain sockets: sock_accept(), sock_recv() and their like."""

import asyncio
import socket


async def serve_one(listener: socket.socket) -> None:
    """Accepts one client and answers until it closes."""
    loop = asyncio.get_running_loop()
    connection, address = await loop.sock_accept(listener)
    print("accepted from", address[0])
    with connection:
        buffer = bytearray(1024)
        while count := await loop.sock_recv_into(connection, buffer):
            await loop.sock_sendall(connection, buffer[:count])


async def watch(ours: socket.socket, theirs: socket.socket) -> bytes:
    """add_reader() on one end of a pair, a write to the other."""
    loop = asyncio.get_running_loop()
    readable = loop.create_future()
    loop.add_reader(ours, lambda: readable.set_result(ours.recv(100)))
    theirs.send(b"look here")
    data: bytes = await readable
    print("reader removed:", loop.remove_reader(ours), loop.remove_reader(ours))
    return data


async def main() -> None:
    """A client, a server, and a watched pair."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        serving = asyncio.create_task(serve_one(listener))
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.setblocking(False)
            await loop.sock_connect(client, listener.getsockname())
            await loop.sock_sendall(client, b"hello")
            print(await loop.sock_recv(client, 1024))
        await serving

    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        print(await watch(ours, theirs))

    addresses = await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
    print("address:", addresses[0][4])


if __name__ == "__main__":
    asyncio.run(main())
