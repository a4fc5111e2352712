"""All operations, by name."""

from __future__ import annotations

from tests.leaks import (
    operations_of_connections,
    operations_of_datagrams,
    operations_of_descriptors,
    operations_of_files,
    operations_of_pipes,
    operations_of_scheduling,
    operations_of_streams,
    operations_of_tls,
)
from tests.leaks.operation import OPERATIONS

__all__ = ["OPERATIONS", "TOPICS"]

TOPICS = (
    operations_of_connections,
    operations_of_datagrams,
    operations_of_descriptors,
    operations_of_files,
    operations_of_pipes,
    operations_of_scheduling,
    operations_of_streams,
    operations_of_tls,
)
