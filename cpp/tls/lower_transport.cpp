#include "tls/lower_transport.h"

#include "cpython/names.h"

namespace cxxloop {

namespace {

void succeed(bool succeeded) {
  if (!succeeded) throw py::error_already_set();
}

void call(const Ref& object, PyObject* name) {
  const Ref result = steal(PyObject_CallMethodNoArgs(object.ptr(), name));
}

void call(const Ref& object, PyObject* name, PyObject* argument) {
  const Ref result = steal(PyObject_CallMethodOneArg(object.ptr(), name, argument));
}

}  // namespace

void LowerTransport::set(PyObject* transport) {
  object_ = borrow(transport);
  native_ = Py_IS_TYPE(transport, stream_transport_type)
                ? reinterpret_cast<StreamTransportObject*>(transport)->transport()
                : nullptr;
}

void LowerTransport::reset() {
  object_ = Ref();
  native_ = nullptr;
}

void LowerTransport::write(const std::vector<Ref>& pieces) {
  if (pieces.size() == 1) {
    if (native_ == nullptr) return call(object_, names.write, pieces[0].ptr());
    const Ref result = steal(native_->write(pieces[0].ptr()));
    return;
  }
  const Ref list = steal(PyList_New(static_cast<Py_ssize_t>(pieces.size())));
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    PyList_SET_ITEM(list.ptr(), static_cast<Py_ssize_t>(i), Py_NewRef(pieces[i].ptr()));
  }
  call(object_, names.writelines, list.ptr());
}

void LowerTransport::close() {
  native_ != nullptr ? succeed(native_->close()) : call(object_, names.close);
}

void LowerTransport::force_close(PyObject* exception) {
  if (native_ != nullptr) return succeed(native_->force_close(exception));
  call(object_, names._force_close, exception == nullptr ? Py_None : exception);
}

void LowerTransport::pause_reading() {
  native_ != nullptr ? succeed(native_->pause_reading()) : call(object_, names.pause_reading);
}

void LowerTransport::resume_reading() {
  native_ != nullptr ? succeed(native_->resume_reading()) : call(object_, names.resume_reading);
}

bool LowerTransport::is_closing() const {
  if (native_ != nullptr) return native_->is_closing();
  const Ref answer = steal(PyObject_CallMethodNoArgs(object_.ptr(), names.is_closing));
  const int closing = PyObject_IsTrue(answer.ptr());
  check(closing);
  return closing != 0;
}

Ref LowerTransport::extra_info(PyObject* name, PyObject* fallback) {
  if (native_ != nullptr) return steal(native_->extra_info(name, fallback));
  PyObject* const arguments[] = {object_.ptr(), name, fallback};
  return steal(PyObject_VectorcallMethod(names.get_extra_info, arguments, 3, nullptr));
}

int LowerTransport::traverse(visitproc visit, void* arg) const {
  Py_VISIT(object_.ptr());
  return 0;
}

}  // namespace cxxloop
