// How datagrams come into a DatagramTransport.

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "cpython/errors.h"
#include "cpython/names.h"
#include "loop/clock.h"
#include "transports/datagram_transport.h"
#include "transports/system_calls.h"
#include "transports/transport_reports.h"

namespace cxxloop {

namespace {

// The largest datagram that is received whole, as with asyncio.
constexpr std::size_t kLargest = Loop::kReadBufferSize;

#ifdef __linux__
constexpr std::uint8_t kMostSlots = 32;
constexpr std::uint8_t kFewSlots = 4;
// After so many single datagrams it is tried whether there are more at a time.
constexpr std::uint8_t kSinglesToTry = 16;
constexpr std::uint8_t kSinglesToGiveUp = 2;
// No IP datagram is larger.
constexpr std::size_t kSlotSize = 64 * 1024;
static_assert(kMostSlots * kSlotSize <= Loop::kBatchBufferSize);
#endif

}  // namespace

bool DatagramTransport::watch_reading() {
  if (reading_) return true;
  if (!loop_->watch(fd_, FdWatchers::kReader, this)) return false;
  reading_ = true;
  return true;
}

void DatagramTransport::stop_watching_reading() {
  if (!reading_) return;
  reading_ = false;
  loop_->unwatch(fd_, FdWatchers::kReader);
}

bool DatagramTransport::pause_reading() {
  if (!is_reading()) return true;
  paused_ = true;
  stop_watching_reading();
  return log_debug(*loop_, self_, "%r pauses reading");
}

bool DatagramTransport::resume_reading() {
  if (closing_ || !paused_) return true;
  paused_ = false;
  // The protocol is called from now on in the context of whoever resumes.
  const CapturedContext context = loop_->contexts().capture();
  if (context.context == nullptr) return false;
  Py_XSETREF(context_.context, context.context);
  context_.shared = context.shared;
  if (start_ == Start::kDone && !watch_reading()) return false;
  if (!backlog_.empty()) loop_->defer_reading(this);
  return log_debug(*loop_, self_, "%r resumes reading");
}

bool DatagramTransport::on_readable() {
  // It may have been paused or closed since the event was queued.
  if (!reading_ || lost_ != 0 || delivering_) return true;
  if (!loop_->contexts().enter(context_)) return fatal_error("Fatal error on transport");
  delivering_ = true;
  bool succeeded = true;
  try {
    succeeded = (!backlog_.empty() || receive()) && deliver();
  } catch (...) {
    raise_current_exception();
    succeeded = loop_ != nullptr && fatal_error("Fatal read error on datagram transport");
  }
  delivering_ = false;
  return succeeded;
}

// Receiving into the backlog

bool DatagramTransport::receive() {
  if (!is_known_family(family_)) return receive_by_python();
#ifdef __linux__
  if (slots_ > 1) return receive_batch();
#endif
  return receive_one();
}

bool DatagramTransport::receive_failed(int error) {
  if (is_try_again(error)) return true;
  raise_os_error(error);
  return error_received() || report_failure(names._read_ready);
}

bool DatagramTransport::append_received(const char* data, std::size_t length,
                                        const sockaddr_storage& address, socklen_t size) {
  Received received;
  received.data = steal(PyBytes_FromStringAndSize(data, static_cast<Py_ssize_t>(length)));
  received.address = steal(addresses_.sender(address, size));
  backlog_.push_back(std::move(received));
  return true;
}

bool DatagramTransport::receive_one() {
  char* const buffer = loop_->read_buffer();
  sockaddr_storage address;
  socklen_t size = sizeof address;
  const ssize_t length =
      recvfrom(fd_, buffer, kLargest, 0, reinterpret_cast<sockaddr*>(&address), &size);
  if (length < 0) return receive_failed(errno);
  adapt_to(1);
  return append_received(buffer, static_cast<std::size_t>(length), address, size);
}

#ifdef __linux__
bool DatagramTransport::receive_batch() {
  char* const buffer = loop_->batch_buffer();
  mmsghdr messages[kMostSlots];
  iovec vectors[kMostSlots];
  sockaddr_storage addresses[kMostSlots];
  for (std::uint8_t i = 0; i < slots_; ++i) {
    vectors[i] = {buffer + i * kSlotSize, kSlotSize};
    messages[i] = {};
    messages[i].msg_hdr.msg_name = &addresses[i];
    messages[i].msg_hdr.msg_namelen = sizeof addresses[i];
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  const int count = recvmmsg(fd_, messages, slots_, 0, nullptr);
  if (count < 0) return receive_failed(errno);
  adapt_to(count);
  for (int i = 0; i < count; ++i) {
    append_received(buffer + static_cast<std::size_t>(i) * kSlotSize, messages[i].msg_len,
                    addresses[i], messages[i].msg_hdr.msg_namelen);
  }
  return true;
}

// Bursts are received with one call, single datagrams with a cheaper one. Unix sockets have larger
// datagrams than slots have room, others than datagram sockets have an end of file.
void DatagramTransport::adapt_to(int received) {
  if (family_ == AF_UNIX || type_ != SOCK_DGRAM) return;
  if (received == slots_) {
    if (slots_ > 1) {
      slots_ = std::min<std::uint8_t>(kMostSlots, static_cast<std::uint8_t>(2 * slots_));
      singles_ = 0;
    } else if (++singles_ >= kSinglesToTry) {
      slots_ = kFewSlots;
      singles_ = 0;
    }
  } else if (received > 1) {
    singles_ = 0;
  } else if (++singles_ >= kSinglesToGiveUp) {
    slots_ = 1;
    singles_ = 0;
  }
}
#else
void DatagramTransport::adapt_to(int /*received*/) {}
#endif

// Families whose addresses only the socket module knows.
bool DatagramTransport::receive_by_python() {
  const Ref pair = py::reinterpret_steal<Ref>(
      PyObject_CallMethod(socket_.ptr(), "recvfrom", "n", static_cast<Py_ssize_t>(kLargest)));
  if (pair) {
    if (!PyTuple_Check(pair.ptr()) || PyTuple_GET_SIZE(pair.ptr()) != 2) {
      PyErr_SetString(PyExc_TypeError, "recvfrom() did not return a pair");
      return fatal_error("Fatal read error on datagram transport");
    }
    backlog_.push_back(
        {borrow(PyTuple_GET_ITEM(pair.ptr(), 0)), borrow(PyTuple_GET_ITEM(pair.ptr(), 1))});
    return true;
  }
  if (PyErr_ExceptionMatches(PyExc_BlockingIOError) != 0 ||
      PyErr_ExceptionMatches(PyExc_InterruptedError) != 0) {
    PyErr_Clear();
    return true;
  }
  if (PyErr_ExceptionMatches(PyExc_OSError) == 0) {
    return fatal_error("Fatal read error on datagram transport");
  }
  return error_received() || report_failure(names._read_ready);
}

// Delivering the backlog

bool DatagramTransport::deliver() {
  if (backlog_.empty()) {  // There was nothing, or error_received() was called.
    if (loop_ != nullptr) loop_->contexts().keep(context_);
    return true;
  }
  in_batch_ = backlog_.size() > 1;
  const std::int64_t started = in_batch_ ? coarse_tick() : 0;
  bool succeeded = deliver_first();
  while (succeeded && !backlog_.empty() && !should_rest(started)) {
    succeeded = loop_->end_callback() && deliver_first();
  }
  in_batch_ = false;
  if (loop_ == nullptr) return succeeded;
  loop_->contexts().keep(context_);
  if (reading_ && !backlog_.empty()) loop_->defer_reading(this);
  if (gathered_.empty()) return succeeded;
  if (succeeded) return flush();
  const SavedError saved;
  if (!flush()) PyErr_WriteUnraisable(self_);  // Two exits at once.
  return false;
}

// Whether something else has to run before the next datagram is delivered. With asyncio that is
// received in the next turn, behind all callbacks that are ready by then.
bool DatagramTransport::should_rest(std::int64_t started) const {
  return !reading_ || !loop_->ready().empty() || loop_->stopping() || coarse_tick() != started;
}

bool DatagramTransport::deliver_first() {
  const Received datagram = std::move(backlog_.front());
  backlog_.pop_front();
  const Ref protocol = borrow(protocol_);  // It may be replaced while it runs.
  // The place in front is for the callee.
  PyObject* arguments[] = {nullptr, protocol.ptr(), datagram.data.ptr(), datagram.address.ptr()};
  replied_to_ = datagram.address.ptr();
  PyObject* const result = PyObject_VectorcallMethod(names.datagram_received, arguments + 1,
                                                     3 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
  replied_to_ = nullptr;
  Py_XDECREF(result);
  return result != nullptr || report_failure(names._read_ready);
}

}  // namespace cxxloop
