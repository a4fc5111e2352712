#include "tls/ssl_engine.h"

#include <utility>

#include "cpython/names.h"
#include "tls/ssl_module.h"

namespace cxxloop {

namespace {

// Clears the exception that is set if it only says that more bytes have to come first.
bool wants_more() {
  const SslModule& ssl = ssl_module();
  if (PyErr_ExceptionMatches(ssl.want_read_error) == 0 &&
      PyErr_ExceptionMatches(ssl.syscall_error) == 0) {
    return false;
  }
  PyErr_Clear();
  return true;
}

Ref view_of(const char* data, std::size_t length) {
  return steal(PyMemoryView_FromMemory(const_cast<char*>(data), static_cast<Py_ssize_t>(length),
                                       PyBUF_READ));
}

std::size_t pending_in(const Ref& bio) {
  const Ref pending = steal(PyObject_GetAttr(bio.ptr(), names.pending));
  const Py_ssize_t count = PyLong_AsSsize_t(pending.ptr());
  if (count < 0 && PyErr_Occurred() != nullptr) throw py::error_already_set();
  return static_cast<std::size_t>(count);
}

}  // namespace

SslEngine::SslEngine(Ref ssl_object, Ref incoming, Ref outgoing)
    : ssl_object_(std::move(ssl_object)),
      io_(Py_IS_TYPE(ssl_object_.ptr(), reinterpret_cast<PyTypeObject*>(ssl_module().object_type))
              ? steal(PyObject_GetAttr(ssl_object_.ptr(), names._sslobj))
              : ssl_object_),
      incoming_(std::move(incoming)),
      outgoing_(std::move(outgoing)) {}

void SslEngine::feed(const char* data, std::size_t length) {
  const Ref view = view_of(data, length);
  const Ref written = steal(PyObject_CallMethodOneArg(incoming_.ptr(), names.write, view.ptr()));
  scanner_.scan(data, length);
}

bool SslEngine::may_read() const { return filled_ || incoming_pending() > scanner_.tail(); }

SslEngine::Outcome SslEngine::take_count(PyObject* result, std::size_t* count) {
  if (result == nullptr) {
    if (wants_more()) return Outcome::kAgain;
    throw py::error_already_set();
  }
  const Ref number = steal(result);
  const Py_ssize_t value = PyLong_AsSsize_t(number.ptr());
  if (value < 0 && PyErr_Occurred() != nullptr) throw py::error_already_set();
  *count = static_cast<std::size_t>(value);
  return Outcome::kDone;
}

SslEngine::Outcome SslEngine::read_into(PyObject* buffer, std::size_t room, std::size_t* count) {
  const Ref size = steal(PyLong_FromSize_t(room));
  PyObject* const arguments[] = {io_.ptr(), size.ptr(), buffer};
  filled_ = false;
  const Outcome outcome =
      take_count(PyObject_VectorcallMethod(names.read, arguments, 3, nullptr), count);
  filled_ = outcome == Outcome::kDone && *count == room && room > 0;
  return outcome;
}

SslEngine::Outcome SslEngine::read(char* target, std::size_t room, std::size_t* count) {
  const Ref view =
      steal(PyMemoryView_FromMemory(target, static_cast<Py_ssize_t>(room), PyBUF_WRITE));
  return read_into(view.ptr(), room, count);
}

SslEngine::Outcome SslEngine::write(const char* data, std::size_t length, std::size_t* count) {
  const Ref view = view_of(data, length);
  return take_count(PyObject_CallMethodOneArg(io_.ptr(), names.write, view.ptr()), count);
}

Ref SslEngine::take_outgoing() {
  return steal(PyObject_CallMethodNoArgs(outgoing_.ptr(), names.read));
}

SslEngine::Outcome SslEngine::do_handshake() {
  std::size_t ignored = 0;
  PyObject* const result = PyObject_CallMethodNoArgs(ssl_object_.ptr(), names.do_handshake);
  if (result == nullptr) return take_count(nullptr, &ignored);
  Py_DECREF(result);
  return Outcome::kDone;
}

SslEngine::Outcome SslEngine::unwrap() {
  std::size_t ignored = 0;
  PyObject* const result = PyObject_CallMethodNoArgs(ssl_object_.ptr(), names.unwrap);
  if (result == nullptr) return take_count(nullptr, &ignored);
  Py_DECREF(result);
  return Outcome::kDone;
}

std::size_t SslEngine::incoming_pending() const { return pending_in(incoming_); }

int SslEngine::traverse(visitproc visit, void* arg) const {
  Py_VISIT(ssl_object_.ptr());
  Py_VISIT(io_.ptr());
  Py_VISIT(incoming_.ptr());
  Py_VISIT(outgoing_.ptr());
  return 0;
}

void SslEngine::clear() { ssl_object_ = io_ = incoming_ = outgoing_ = Ref(); }

}  // namespace cxxloop
