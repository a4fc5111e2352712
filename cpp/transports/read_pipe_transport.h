#pragma once

#include <pybind11/pybind11.h>

#include "containers/live_count.h"
#include "transports/byte_reader.h"
#include "transports/pipe_transport.h"

namespace cxxloop {

// The reading end of a pipe, a socket or a character device with its protocol: the C++ part of
// the Python object cxxloop._core.ReadPipeTransport, an asyncio.ReadTransport.
class ReadPipeTransport final : public PipeTransport {
 public:
  ReadPipeTransport(PyObject* self, const PipeParts& parts, CapturedContext context);

  bool on_readable() override;
  bool on_writable() override { return true; }

  // asyncio.ReadTransport
  bool close() { return closing_ || end(nullptr); }
  bool pause_reading();
  bool resume_reading();
  [[nodiscard]] bool is_reading() const { return !paused_ && !closing_; }
  [[nodiscard]] bool paused() const { return paused_; }

  PyObject* repr() override;

  // Reads once and tells the protocol; raises what that raises.
  bool read_ready();

  int traverse(visitproc visit, void* arg) const { return traverse_common(visit, arg); }
  void clear() { clear_common(); }

 private:
  bool start_watching() override;
  bool before_connection_lost() override;
  bool is_expected(PyObject* exception) override;
  bool end(PyObject* exception) override;

  bool end_of_file();
  bool watch();
  void unwatch();

  ByteReader reader_;
  bool paused_ = false;
  bool reading_ = false;      // watched
  bool eof_to_tell_ = false;  // before connection_lost()
  LiveCount<ReadPipeTransport> counted_;
};

// The heap type; set once by the bindings.
extern PyTypeObject* read_pipe_transport_type;

// loop._make_native_read_pipe(): `fd` is that of `pipe`, which is closed at the end.
py::object make_read_pipe_transport(Loop& loop, const py::object& pipe, int fd,
                                    const py::object& protocol, const py::object& waiter);

}  // namespace cxxloop
