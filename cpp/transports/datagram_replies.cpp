// How the replies to the datagrams of a batch leave together.

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "cpython/errors.h"
#include "cpython/names.h"
#include "transports/datagram_transport.h"
#include "transports/system_calls.h"
#include "transports/transport_reports.h"

namespace cxxloop {

#ifdef __linux__

namespace {

constexpr std::size_t kMostReplies = 32;
// Whatever is larger may not be for one datagram, or fill the socket's buffer.
constexpr Py_ssize_t kLargestReply = 2048;

}  // namespace

// Replies to the sender of the datagram that is being delivered wait for the end of the batch and
// leave in one system call. Nobody can see the difference as long as the socket takes them: it is
// ours alone, so no option of it changes in between, and everything else that the transport is
// asked for lets them leave first.
bool DatagramTransport::should_gather(PyObject* data, PyObject* address) const {
  return in_batch_ && address == replied_to_ && address != Py_None && !shared_ && !connected_ &&
         !writing_ && lost_ == 0 && PyBytes_CheckExact(data) &&
         PyBytes_GET_SIZE(data) <= kLargestReply && !(backlog_.empty() && gathered_.empty());
}

bool DatagramTransport::gather(PyObject* data, PyObject* address, bool* gathered) {
  const RawAddress* const raw = addresses_.destination(address);
  if (raw == nullptr) return true;
  gathered_.push_back({borrow(data), *raw, borrow(address)});
  *gathered = true;
  const bool is_last = backlog_.empty();
  return is_last || gathered_.size() >= kMostReplies ? flush() : true;
}

bool DatagramTransport::flush() {
  if (gathered_.empty() || loop_ == nullptr) return true;
  std::vector<Gathered> replies;
  replies.swap(gathered_);
  const bool succeeded = flush_from(replies, 0);
  if (gathered_.empty()) {
    replies.clear();
    gathered_.swap(replies);  // Keeps the memory for the next time.
  }
  return succeeded;
}

// A call stops at the datagram that fails, or in front of it when some were sent; then the next
// call begins with it.
bool DatagramTransport::flush_from(std::vector<Gathered>& replies, std::size_t first) {
  mmsghdr messages[kMostReplies];
  iovec vectors[kMostReplies];
  while (first < replies.size()) {
    const std::size_t count = std::min(replies.size() - first, kMostReplies);
    for (std::size_t i = 0; i < count; ++i) {
      Gathered& reply = replies[first + i];
      vectors[i] = {PyBytes_AS_STRING(reply.data.ptr()),
                    static_cast<std::size_t>(PyBytes_GET_SIZE(reply.data.ptr()))};
      messages[i] = {};
      messages[i].msg_hdr.msg_name = &reply.address.storage;
      messages[i].msg_hdr.msg_namelen = reply.address.size;
      messages[i].msg_hdr.msg_iov = &vectors[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int sent = sendmmsg(fd_, messages, static_cast<unsigned>(count), kSendFlags);
    const int error = errno;
    loop_->expect_events();
    if (sent >= 0) {
      first += static_cast<std::size_t>(sent);
      continue;
    }
    if (is_try_again(error)) return keep_waiting(replies, first);
    shared_ = true;  // From now on errors are told at once.
    raise_os_error(error);
    ++first;
    if (!error_received() && !report_failure(names._read_ready)) {
      const SavedError saved;
      if (!keep_waiting(replies, first)) PyErr_WriteUnraisable(self_);
      return false;
    }
  }
  return true;
}

bool DatagramTransport::keep_waiting(std::vector<Gathered>& replies, std::size_t first) {
  if (first == replies.size()) return true;
  if (!watch_writing()) return false;
  for (; first < replies.size(); ++first) {
    if (!enqueue(replies[first].data.ptr(), replies[first].python_address.ptr())) return false;
  }
  return true;
}

#else

bool DatagramTransport::should_gather(PyObject* /*data*/, PyObject* /*address*/) const {
  return false;
}

bool DatagramTransport::gather(PyObject* /*data*/, PyObject* /*address*/, bool* /*gathered*/) {
  return true;
}

bool DatagramTransport::flush() { return true; }

#endif

}  // namespace cxxloop
