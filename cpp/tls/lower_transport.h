#pragma once

#include <pybind11/pybind11.h>

#include <vector>

#include "cpython/ref.h"
#include "transports/stream_transport.h"

namespace cxxloop {

// The transport that carries the ciphertext: a StreamTransport, which is called directly, or any
// other one that start_tls() was given. Methods throw what Python raised.
class LowerTransport {
 public:
  void set(PyObject* transport);
  void reset();
  [[nodiscard]] explicit operator bool() const { return static_cast<bool>(object_); }
  [[nodiscard]] PyObject* object() const { return object_.ptr(); }

  void write(const std::vector<Ref>& pieces);
  void close();
  void force_close(PyObject* exception);  // null: none
  void pause_reading();
  void resume_reading();
  [[nodiscard]] bool is_closing() const;
  Ref extra_info(PyObject* name, PyObject* fallback);

  int traverse(visitproc visit, void* arg) const;

 private:
  Ref object_;
  StreamTransport* native_ = nullptr;
};

}  // namespace cxxloop
