#include "transports/listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "cpython/errors.h"
#include "cpython/names.h"
#include "transports/stream_transport.h"

namespace cxxloop {

PyTypeObject* listener_type = nullptr;

namespace {

constexpr int kLargestBatch = 64;

int accept_connection(int fd, sockaddr_storage* address, socklen_t* size) {
#ifdef __linux__
  return accept4(fd, reinterpret_cast<sockaddr*>(address), size, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
  const int connection = accept(fd, reinterpret_cast<sockaddr*>(address), size);
  if (connection >= 0) {
    fcntl(connection, F_SETFD, FD_CLOEXEC);
    fcntl(connection, F_SETFL, O_NONBLOCK);
  }
  return connection;
#endif
}

bool is_exhaustion(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

// An accepted connection that nobody owns yet.
class Connection {
 public:
  explicit Connection(int fd) : fd_(fd) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int fd() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

int descriptor_of(const py::object& sock) { return sock.attr("fileno")().cast<int>(); }

}  // namespace

Listener::Listener(PyObject* self, Loop* loop, int fd, ListenerParts parts, CapturedContext context)
    : self_(self),
      loop_(loop),
      fd_(fd),
      family_(parts.sock.attr("family").cast<int>()),
      protocol_number_(parts.sock.attr("proto").cast<int>()),
      parts_(std::move(parts)),
      context_(context) {}

// Not any more where the server was closed since the event was queued: the number may be that of
// somebody else's socket by now.
bool Listener::is_listening() const { return loop_->watched(fd_, FdWatchers::kReader) == this; }

bool Listener::on_readable() {
  if (!is_listening()) return true;
  const int most = std::min({batch_, parts_.backlog + 1, kLargestBatch});
  for (int accepted = 0; accepted < most; ++accepted) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    const int connection = accept_connection(fd_, &address, &size);
    if (connection < 0) {
      batch_ = std::max(accepted, 1);
      return accept_failed(errno);
    }
    if (!accept_one(connection, address, size)) return false;
    if (!is_listening()) return true;
  }
  // More may be waiting: take more at once the next time, up to what the queue can hold.
  batch_ = std::min(batch_ * 2, kLargestBatch);
  return true;
}

// In debug mode, as asyncio. False: a Python error is set.
bool Listener::log_accepted(int fd, const SocketAddress& peer) {
  if (!loop_->debug()) return true;
  const Ref number = py::reinterpret_steal<Ref>(PyLong_FromLong(fd));
  const Ref address = py::reinterpret_steal<Ref>(peer.to_python());
  if (!number || !address) return false;
  const Ref result = py::reinterpret_steal<Ref>(
      PyObject_CallMethodObjArgs(loop_->self(), names._log_accepted, number.ptr(),
                                 parts_.sock.ptr(), parts_.server.ptr(), address.ptr(), nullptr));
  return static_cast<bool>(result);
}

bool Listener::accept_one(int fd, const sockaddr_storage& address, socklen_t size) {
  Connection connection(fd);
  CapturedContext context = context_;
  Ref own_context;
  if (!parts_.context.is_none()) {
    // What one connection sets is not seen by the next.
    own_context = py::reinterpret_steal<Ref>(PyContext_Copy(parts_.context.ptr()));
    context = {own_context.ptr(), false};
  }
  if (context.context == nullptr || !loop_->contexts().enter(context)) {
    return loop_->report("Error on transport creation for incoming connection", nullptr, nullptr);
  }
  SocketAddress peer(address, size);
  if (!log_accepted(fd, peer)) return creation_failed(nullptr);
  if (!parts_.tls.is_none()) return accept_tls(connection.release(), own_context.ptr());
  const Ref protocol =
      py::reinterpret_steal<Ref>(PyObject_CallNoArgs(parts_.protocol_factory.ptr()));
  PyObject* transport = nullptr;
  if (protocol) {
    StreamParts parts;
    parts.loop = loop_;
    parts.fd = fd;
    parts.family = family_;
    parts.protocol_number = protocol_number_;
    parts.protocol = protocol.ptr();
    parts.server = parts_.server.is_none() ? nullptr : parts_.server.ptr();
    parts.context = own_context.ptr();
    transport = StreamTransport::make(parts, std::move(peer));
  }
  if (transport == nullptr) return creation_failed(protocol.ptr());
  connection.release();
  Py_DECREF(transport);
  return true;
}

// The handshake is a task of its own, as asyncio's: whoever cancels all tasks ends it. Takes the
// descriptor over.
bool Listener::accept_tls(int fd, PyObject* context) {
  const Ref number = py::reinterpret_steal<Ref>(PyLong_FromLong(fd));
  if (!number) ::close(fd);
  const Ref result = py::reinterpret_steal<Ref>(
      number ? PyObject_CallMethodObjArgs(loop_->self(), names._accept_tls,
                                          parts_.protocol_factory.ptr(), number.ptr(),
                                          parts_.sock.ptr(), parts_.server.ptr(), parts_.tls.ptr(),
                                          context == nullptr ? Py_None : context, nullptr)
             : nullptr);
  return result || creation_failed(nullptr);
}

// asyncio keeps this to itself unless in debug mode.
bool Listener::creation_failed(PyObject* protocol) {
  if (must_leave_loop()) return false;
  if (loop_->debug()) {
    return loop_->report("Error on transport creation for incoming connection", names.protocol,
                         protocol);
  }
  PyErr_Clear();
  return true;
}

bool Listener::accept_failed(int error) {
  if (error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == ECONNABORTED) {
    return true;
  }
  if (!is_exhaustion(error)) {
    raise_os_error(error);
    return loop_->report("Fatal accept error on listening socket", names.socket, parts_.sock.ptr());
  }
  // Watching on would spin. Python reports it and listens again after a while.
  loop_->unwatch(fd_, FdWatchers::kReader);
  const Ref exception = steal(make_os_error(error));
  const Ref backlog = steal(PyLong_FromLong(parts_.backlog));
  const Ref result = steal(PyObject_CallMethodObjArgs(
      loop_->self(), names._on_accept_exhausted, parts_.protocol_factory.ptr(), parts_.sock.ptr(),
      parts_.server.ptr(), backlog.ptr(), parts_.context.ptr(), parts_.tls.ptr(), exception.ptr(),
      nullptr));
  return true;
}

int Listener::traverse(visitproc visit, void* arg) const {
  Py_VISIT(parts_.protocol_factory.ptr());
  Py_VISIT(parts_.sock.ptr());
  Py_VISIT(parts_.server.ptr());
  Py_VISIT(parts_.context.ptr());
  Py_VISIT(parts_.tls.ptr());
  Py_VISIT(context_.context);
  return 0;
}

void Listener::clear() {
  parts_.protocol_factory = parts_.sock = parts_.server = parts_.context = parts_.tls =
      py::object();
  Py_CLEAR(context_.context);
}

void start_listening(Loop& loop, ListenerParts parts) {
  if (!loop.check_closed()) throw py::error_already_set();
  const int fd = descriptor_of(parts.sock);
  CapturedContext captured;
  if (parts.context.is_none()) {
    captured = loop.contexts().capture();
    if (captured.context == nullptr) throw py::error_already_set();
  } else {
    captured.context = Py_NewRef(parts.context.ptr());
  }
  const Ref object = steal(listener_type->tp_alloc(listener_type, 0));
  auto* const memory = reinterpret_cast<ListenerObject*>(object.ptr());
  const bool is_tcp = parts.sock.attr("proto").cast<int>() == IPPROTO_TCP;
  auto* const listener =
      new (memory->storage) Listener(object.ptr(), &loop, fd, std::move(parts), captured);
  memory->constructed = true;
  if (is_tcp) {
    // Accepted sockets inherit it, which saves a system call for each of them.
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  if (!loop.watch(fd, FdWatchers::kReader, listener)) throw py::error_already_set();
}

void stop_listening(Loop& loop, const py::object& sock) {
  const int fd = descriptor_of(sock);
  if (fd >= 0) loop.unwatch(fd, FdWatchers::kReader);
}

}  // namespace cxxloop
