// cxxloop.debug_counters(): how many native objects of each kind are alive.
#include <pybind11/pybind11.h>

#include <cstddef>

#include "bindings/bindings.h"
#include "loop/handle.h"
#include "loop/loop.h"
#include "sockets/socket_operation.h"
#include "tls/tls_protocol.h"
#include "transports/datagram_transport.h"
#include "transports/listener.h"
#include "transports/read_pipe_transport.h"
#include "transports/stream_transport.h"
#include "transports/write_pipe_transport.h"

namespace py = pybind11;

namespace cxxloop {

namespace {

constexpr HandleKind kHandleKinds[] = {HandleKind::kPlain, HandleKind::kTimer,
                                       HandleKind::kThreadSafe};

constexpr auto kDocstring = R"(How many native objects of each kind are alive in this process.

For finding leaks: where a program has closed everything, each number is what it was before.

Returns a new dict of int. Objects that exist, whoever keeps them:

    'loops'                  loops, closed ones too
    'handles'                what call_soon(), call_soon_threadsafe(), add_reader(), add_writer()
                             return
    'timers'                 what call_later() and call_at() return
    'stream_transports'      TCP and Unix connections, also those below TLS
    'datagram_transports'    datagram endpoints
    'read_pipe_transports'   from connect_read_pipe(), and the output of children
    'write_pipe_transports'  from connect_write_pipe(), and the input of children
    'listeners'              listening sockets of servers
    'tls_protocols'          TLS connections

What all loops of all threads wait for or have to do at this moment:

    'ready'                  callbacks that are to run, and events that are to be handled
    'scheduled'              timers that are not due yet
    'readers', 'writers'     descriptors that are watched for reading and for writing
    'socket_operations'      sock_recv(), sock_recv_into(), sock_sendall() that wait

And 'kept_handles', the memory of past handles and timers that is kept to be used again.

Counting costs a program nothing that can be measured. May be called from any thread. There is
no such thing in asyncio.)";

struct Waiting {
  std::size_t ready = 0;
  std::size_t scheduled = 0;
  std::size_t readers = 0;
  std::size_t writers = 0;
  std::size_t socket_operations = 0;
};

Waiting waiting_in_all_loops() {
  Waiting waiting;
  for (const Loop* const loop : Loop::all()) {
    waiting.ready += loop->ready().size();
    waiting.scheduled += loop->timers().size();
    loop->descriptors().for_each([&](FdWatchers::Direction direction, const EventTarget* target) {
      ++(direction == FdWatchers::kReader ? waiting.readers : waiting.writers);
      if (target != nullptr && Py_IS_TYPE(target->owner(), socket_operation_type)) {
        ++waiting.socket_operations;
      }
    });
  }
  return waiting;
}

py::dict debug_counters() {
  std::size_t kept_handles = 0;
  for (const HandleKind kind : kHandleKinds) kept_handles += handle_pool.kept(kind);
  const Waiting waiting = waiting_in_all_loops();
  py::dict counters;
  counters["loops"] = Loop::all().size();
  counters["handles"] =
      handle_pool.alive(HandleKind::kPlain) + handle_pool.alive(HandleKind::kThreadSafe);
  counters["timers"] = handle_pool.alive(HandleKind::kTimer);
  counters["stream_transports"] = LiveCount<StreamTransport>::count();
  counters["datagram_transports"] = LiveCount<DatagramTransport>::count();
  counters["read_pipe_transports"] = LiveCount<ReadPipeTransport>::count();
  counters["write_pipe_transports"] = LiveCount<WritePipeTransport>::count();
  counters["listeners"] = LiveCount<Listener>::count();
  counters["tls_protocols"] = LiveCount<TlsProtocol>::count();
  counters["ready"] = waiting.ready;
  counters["scheduled"] = waiting.scheduled;
  counters["readers"] = waiting.readers;
  counters["writers"] = waiting.writers;
  counters["socket_operations"] = waiting.socket_operations;
  counters["kept_handles"] = kept_handles;
  return counters;
}

}  // namespace

void bind_debug_counters(py::module_& module) {
  module.def("debug_counters", debug_counters, kDocstring);
}

}  // namespace cxxloop
