"""The fakes of `hustings bench`, by the name tests and other benchmarks know them by."""

from hustings.bench.house import (
    AAC_CONFIG,
    BROADCAST,
    CODECS,
    UNIT_BYTES,
    ChunkMaker,
    FakeHouse,
    NatsServer,
    fake_house,
    free_port,
    make_init,
    nats_binary,
    nats_server,
    room,
)

__all__ = [
    "AAC_CONFIG",
    "BROADCAST",
    "CODECS",
    "UNIT_BYTES",
    "ChunkMaker",
    "FakeHouse",
    "NatsServer",
    "fake_house",
    "free_port",
    "make_init",
    "nats_binary",
    "nats_server",
    "room",
]
