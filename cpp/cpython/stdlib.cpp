#include "cpython/stdlib.h"

#include "cpython/names.h"
#include "cpython/ref.h"

namespace cxxloop {

Stdlib stdlib{};

namespace {

PyObject* import_name(const char* module, const char* name) {
  const Ref imported = steal(PyImport_ImportModule(module));
  return steal(PyObject_GetAttrString(imported.ptr(), name)).release().ptr();
}

}  // namespace

void import_stdlib() {
  stdlib.futures_names = import_name("asyncio.futures", "__dict__");
  stdlib.tasks_names = import_name("asyncio.tasks", "__dict__");
  stdlib.handle_type = import_name("asyncio", "Handle");
  stdlib.timer_handle_type = import_name("asyncio", "TimerHandle");
#if PY_VERSION_HEX >= 0x030E0000
  stdlib.thread_safe_handle_type = import_name("asyncio.events", "_ThreadSafeHandle");
#endif
  stdlib.transport_type = import_name("asyncio", "Transport");
  stdlib.read_transport_type = import_name("asyncio", "ReadTransport");
  stdlib.datagram_transport_type = import_name("asyncio", "DatagramTransport");
  stdlib.buffered_protocol_type = import_name("asyncio", "BufferedProtocol");
  stdlib.transport_socket_type = import_name("asyncio.trsock", "TransportSocket");
  stdlib.socket_type = import_name("socket", "socket");
  stdlib.extract_stack = import_name("asyncio.format_helpers", "extract_stack");
  stdlib.events = import_name("asyncio", "events");
  stdlib.set_wakeup_fd = import_name("_signal", "set_wakeup_fd");
  stdlib.main_thread = import_name("threading", "main_thread");
  stdlib.logger = import_name("asyncio.log", "logger");
  stdlib.empty_tuple = steal(PyTuple_New(0)).release().ptr();
}

}  // namespace cxxloop
