"""asyncio.as_completed(): results in the order in which they come."""

import asyncio


async def deliver(gate: asyncio.Event, parcel: str) -> str:
    """Brings its parcel when the gate opens."""
    await gate.wait()
    return parcel


async def main() -> None:
    """Opens the gates in another order than the parcels were asked for."""
    gates = [asyncio.Event() for _ in range(3)]
    parcels = [deliver(gate, name) for gate, name in zip(gates, "ABC", strict=True)]
    order = iter([2, 0, 1])
    gates[next(order)].set()
    for parcel in asyncio.as_completed(parcels):
        print("delivered:", await parcel)
        following = next(order, None)
        if following is not None:
            gates[following].set()

    try:
        for never in asyncio.as_completed([asyncio.Event().wait()], timeout=0.01):
            await never
    except TimeoutError:
        print("nothing more in time")


if __name__ == "__main__":
    asyncio.run(main())
