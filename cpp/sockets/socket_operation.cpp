#include "sockets/socket_operation.h"

#include <sys/socket.h>

#include <cerrno>
#include <new>

#include "cpython/errors.h"
#include "cpython/names.h"
#include "loop/futures.h"

namespace cxxloop {

PyTypeObject* socket_operation_type = nullptr;

namespace {

#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_NOSIGNAL;
#else
constexpr int kSendFlags = 0;
#endif

// Up to this size a read goes through the loop's buffer, which costs less than to allocate
// for the most that may come.
constexpr Py_ssize_t kCopiedRead = 64 * 1024;

bool is_try_again(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace

SocketOperation::SocketOperation(PyObject* self, Loop& loop, Kind kind, PyObject* sock,
                                 PyObject* argument)
    : self_(self),
      loop_(&loop),
      loop_object_(borrow(loop.self())),
      sock_(borrow(sock)),
      argument_(borrow(argument)),
      kind_(kind) {}

PyObject* make_socket_operation(Loop& loop, SocketOperation::Kind kind, PyObject* sock,
                                PyObject* argument) {
  PyObject* const object = socket_operation_type->tp_alloc(socket_operation_type, 0);
  if (object == nullptr) return nullptr;
  auto* const memory = reinterpret_cast<SocketOperationObject*>(object);
  new (memory->storage) SocketOperation(object, loop, kind, sock, argument);
  memory->constructed = true;
  return object;
}

int SocketOperation::descriptor() const {
  const Ref number = steal(PyObject_CallMethodNoArgs(sock_.ptr(), names.fileno));
  const long fd = PyLong_AsLong(number.ptr());
  if (fd == -1 && PyErr_Occurred() != nullptr) throw py::error_already_set();
  return static_cast<int>(fd);
}

// Reads the arguments; false with a Python error set.
bool SocketOperation::begin() {
  fd_ = descriptor();
  if (kind_ == Kind::kSendAll) {
    return PyObject_GetBuffer(argument_.ptr(), &buffer_, PyBUF_SIMPLE) == 0;
  }
  if (kind_ == Kind::kReceiveInto) return begin_receive_into();
  size_ = PyNumber_AsSsize_t(argument_.ptr(), PyExc_OverflowError);
  if (size_ == -1 && PyErr_Occurred() != nullptr) return false;
  if (size_ >= 0) return true;
  PyErr_SetString(PyExc_ValueError, "negative buffersize in recv");
  return false;
}

bool SocketOperation::begin_receive_into() {
  if (PyObject_GetBuffer(argument_.ptr(), &buffer_, PyBUF_WRITABLE) == 0) return true;
  PyErr_Clear();
  PyErr_Format(PyExc_TypeError,
               "recv_into() argument 1 must be read-write bytes-like object, not %s",
               argument_.is_none() ? "None" : Py_TYPE(argument_.ptr())->tp_name);
  return false;
}

SocketOperation::Attempt SocketOperation::receive() {
  if (size_ == 0) {  // As CPython: no system call, and so no wait.
    result_ = steal(PyBytes_FromStringAndSize(nullptr, 0));
    return Attempt::kDone;
  }
  if (size_ <= kCopiedRead) {
    char* const scratch = loop_->read_buffer();
    const ssize_t count = recv(fd_, scratch, static_cast<std::size_t>(size_), 0);
    if (count < 0)
      return is_try_again(errno) ? Attempt::kWouldBlock : (raise_os_error(errno), Attempt::kFailed);
    result_ = steal(PyBytes_FromStringAndSize(scratch, count));
    return Attempt::kDone;
  }
  PyObject* bytes = PyBytes_FromStringAndSize(nullptr, size_);
  if (bytes == nullptr) return Attempt::kFailed;
  const ssize_t count = recv(fd_, PyBytes_AS_STRING(bytes), static_cast<std::size_t>(size_), 0);
  if (count < 0) {
    const int error = errno;
    Py_DECREF(bytes);
    if (is_try_again(error)) return Attempt::kWouldBlock;
    raise_os_error(error);
    return Attempt::kFailed;
  }
  if (_PyBytes_Resize(&bytes, count) < 0) return Attempt::kFailed;
  result_ = py::reinterpret_steal<Ref>(bytes);
  return Attempt::kDone;
}

SocketOperation::Attempt SocketOperation::receive_into() {
  const auto length = static_cast<std::size_t>(buffer_.len);
  const ssize_t count = length == 0 ? 0 : recv(fd_, buffer_.buf, length, 0);
  if (count < 0) {
    if (is_try_again(errno)) return Attempt::kWouldBlock;
    raise_os_error(errno);
    return Attempt::kFailed;
  }
  result_ = steal(PyLong_FromSsize_t(count));
  return Attempt::kDone;
}

SocketOperation::Attempt SocketOperation::send_all() {
  const auto length = static_cast<std::size_t>(buffer_.len);
  do {
    const ssize_t count =
        ::send(fd_, static_cast<const char*>(buffer_.buf) + sent_, length - sent_, kSendFlags);
    if (count < 0) {
      if (is_try_again(errno)) return Attempt::kWouldBlock;
      raise_os_error(errno);
      return Attempt::kFailed;
    }
    sent_ += static_cast<std::size_t>(count);
  } while (sent_ < length);
  loop_->expect_events();
  result_ = py::none();
  return Attempt::kDone;
}

SocketOperation::Attempt SocketOperation::attempt() {
  switch (kind_) {
    case Kind::kReceive:
      return receive();
    case Kind::kReceiveInto:
      return receive_into();
    default:
      return send_all();
  }
}

// The socket may have been closed meanwhile, and its number be another's.
SocketOperation::Attempt SocketOperation::attempt_again() {
  if (descriptor() == fd_) return attempt();
  raise_os_error(EBADF);
  return Attempt::kFailed;
}

PySendResult SocketOperation::send(PyObject** result) {
  switch (state_) {
    case State::kNew: {
      if (!begin()) {
        state_ = State::kFinished;
        return PYGEN_ERROR;
      }
      const Attempt first = attempt();
      if (first == Attempt::kWouldBlock) return wait(result);
      state_ = State::kFinished;
      if (buffer_.obj != nullptr) PyBuffer_Release(&buffer_);
      if (first == Attempt::kFailed) return PYGEN_ERROR;
      *result = result_.release().ptr();
      return PYGEN_RETURN;
    }
    case State::kReady:
      return finish(result);
    case State::kWaiting:
      // Woken by somebody else than the future, as generators can be.
      *result = Py_NewRef(waiter_.ptr());
      return PYGEN_NEXT;
    default:
      PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
      return PYGEN_ERROR;
  }
}

PySendResult SocketOperation::wait(PyObject** result) {
  if (const EventTarget* const transport = loop_->transport(fd_)) {
    PyErr_Format(PyExc_RuntimeError, "File descriptor %d is used by transport %R", fd_,
                 transport->owner());
    state_ = State::kFinished;
    return PYGEN_ERROR;
  }
  if (!loop_->check_closed()) {
    state_ = State::kFinished;
    return PYGEN_ERROR;
  }
  waiter_ = steal(loop_->futures().make_future());
  check(PyObject_SetAttr(waiter_.ptr(), names._asyncio_future_blocking, Py_True));
  if (!loop_->watch(fd_, direction(), this)) {
    state_ = State::kFinished;
    return PYGEN_ERROR;
  }
  state_ = State::kWaiting;
  *result = Py_NewRef(waiter_.ptr());
  return PYGEN_NEXT;
}

bool SocketOperation::on_ready() {
  if (state_ != State::kWaiting) return true;
  const Ref done = steal(PyObject_CallMethodNoArgs(waiter_.ptr(), names.done));
  if (done.ptr() == Py_True) {  // Cancelled: the bytes stay for somebody else.
    unwatch();
    return true;
  }
  const Attempt outcome = attempt_again();
  if (outcome == Attempt::kWouldBlock) return true;
  if (outcome == Attempt::kFailed) failure_ = py::reinterpret_steal<Ref>(take_exception());
  unwatch();
  state_ = State::kReady;
  const Ref settled = steal(PyObject_CallMethodOneArg(waiter_.ptr(), names.set_result, Py_None));
  return true;
}

PySendResult SocketOperation::finish(PyObject** result) {
  state_ = State::kFinished;
  waiter_ = Ref();
  if (buffer_.obj != nullptr) PyBuffer_Release(&buffer_);
  if (failure_) {
    raise_exception(failure_.release().ptr());
    return PYGEN_ERROR;
  }
  *result = result_.release().ptr();
  return PYGEN_RETURN;
}

const char* SocketOperation::name() const {
  switch (kind_) {
    case Kind::kReceive:
      return "Loop.sock_recv";
    case Kind::kReceiveInto:
      return "Loop.sock_recv_into";
    default:
      return "Loop.sock_sendall";
  }
}

void SocketOperation::unwatch() {
  if (state_ == State::kWaiting && !loop_->is_closed() &&
      loop_->watched(fd_, direction()) == this) {
    loop_->unwatch(fd_, direction());
  }
}

void SocketOperation::abandon() {
  unwatch();
  state_ = State::kFinished;
  if (buffer_.obj != nullptr) PyBuffer_Release(&buffer_);
  waiter_ = result_ = failure_ = Ref();
}

int SocketOperation::traverse(visitproc visit, void* arg) const {
  Py_VISIT(loop_object_.ptr());
  Py_VISIT(sock_.ptr());
  Py_VISIT(argument_.ptr());
  Py_VISIT(waiter_.ptr());
  Py_VISIT(result_.ptr());
  Py_VISIT(failure_.ptr());
  Py_VISIT(buffer_.obj);
  return 0;
}

void SocketOperation::clear() {
  if (buffer_.obj != nullptr) PyBuffer_Release(&buffer_);
  state_ = State::kFinished;
  loop_object_ = sock_ = argument_ = waiter_ = result_ = failure_ = Ref();
}

}  // namespace cxxloop
