#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>

#include "containers/live_count.h"
#include "transports/outgoing.h"
#include "transports/pipe_transport.h"
#include "transports/water_marks.h"

namespace cxxloop {

// The writing end of a pipe, a socket or a character device with its protocol: the C++ part of
// the Python object cxxloop._core.WritePipeTransport, an asyncio.Transport as asyncio's own is.
class WritePipeTransport final : public PipeTransport {
 public:
  WritePipeTransport(PyObject* self, const PipeParts& parts, CapturedContext context,
                     bool notices_close);
  ~WritePipeTransport() { clear(); }

  // A pipe is readable when its other end is closed.
  bool on_readable() override;
  bool on_writable() override;

  // asyncio.WriteTransport
  bool write(PyObject* data);
  bool write_eof();
  bool close() { return !pipe_ || write_eof(); }
  bool abort() { return end(nullptr); }
  [[nodiscard]] std::size_t write_buffer_size() const { return outgoing_.size(); }
  [[nodiscard]] PyObject* write_buffer_limits() const { return marks_.to_python(); }
  bool set_write_buffer_limits(PyObject* high, PyObject* low);

  // What the tests and libraries read
  [[nodiscard]] Py_ssize_t lost_count() const { return lost_; }
  [[nodiscard]] bool protocol_paused() const { return protocol_paused_; }
  [[nodiscard]] Py_ssize_t high_water() const { return static_cast<Py_ssize_t>(marks_.high()); }
  [[nodiscard]] Py_ssize_t low_water() const { return static_cast<Py_ssize_t>(marks_.low()); }
  PyObject* repr() override;

  // What is done when the pipe was closed at the other end, and when it takes more; each raises
  // what the protocol raises.
  bool read_ready();
  bool write_ready();

  int traverse(visitproc visit, void* arg) const;
  void clear();

 private:
  bool start_watching() override;
  bool is_expected(PyObject* exception) override;
  bool end(PyObject* exception) override;

  bool write_bytes(PyObject* owner, const char* data, std::size_t length);
  bool write_failed();
  bool discard();
  bool send_outgoing(int* error);
  bool watch_writing();
  void unwatch();
  void unwatch_writing();
  bool maybe_pause_protocol();
  bool maybe_resume_protocol();

  CapturedContext write_context_;  // of the write that had to wait
  Outgoing outgoing_;
  WaterMarks marks_;
  Py_ssize_t lost_ = 0;  // writes since the pipe was lost
  bool notices_close_;
  bool protocol_paused_ = false;
  bool reading_ = false;  // watched for the other end being closed
  bool writing_ = false;  // watched for writing
  LiveCount<WritePipeTransport> counted_;
};

// The heap type; set once by the bindings.
extern PyTypeObject* write_pipe_transport_type;

// loop._make_native_write_pipe(): `fd` is that of `pipe`, which is closed at the end.
// `notices_close` says whether the other end's being closed can be waited for.
py::object make_write_pipe_transport(Loop& loop, const py::object& pipe, int fd,
                                     const py::object& protocol, const py::object& waiter,
                                     bool notices_close);

}  // namespace cxxloop
