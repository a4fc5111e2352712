#pragma once

#include <pybind11/pybind11.h>

namespace cxxloop {

// The classes and functions of the standard library that the extension uses,
// imported once with the extension and never freed.
struct Stdlib {
  PyObject* futures_names;            // the names in asyncio.futures: Future may be replaced
  PyObject* tasks_names;              // the names in asyncio.tasks: Task may be replaced
  PyObject* handle_type;              // asyncio.Handle
  PyObject* timer_handle_type;        // asyncio.TimerHandle
  PyObject* thread_safe_handle_type;  // asyncio.events._ThreadSafeHandle, null before 3.14
  PyObject* transport_type;           // asyncio.Transport
  PyObject* read_transport_type;      // asyncio.ReadTransport
  PyObject* datagram_transport_type;  // asyncio.DatagramTransport
  PyObject* buffered_protocol_type;   // asyncio.BufferedProtocol
  PyObject* transport_socket_type;    // asyncio.trsock.TransportSocket
  PyObject* socket_type;              // socket.socket
  PyObject* extract_stack;            // asyncio.format_helpers.extract_stack
  PyObject* events;                   // asyncio.events
  PyObject* set_wakeup_fd;            // signal.set_wakeup_fd
  PyObject* main_thread;              // threading.main_thread
  PyObject* logger;                   // asyncio.log.logger
  PyObject* empty_tuple;
};

extern Stdlib stdlib;

// Imports everything above; throws what an import throws.
void import_stdlib();

}  // namespace cxxloop
