#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "containers/live_count.h"
#include "cpython/context.h"
#include "cpython/ref.h"
#include "loop/event_target.h"
#include "loop/loop.h"
#include "transports/datagram_address.h"
#include "transports/held_socket.h"
#include "transports/transport_object.h"
#include "transports/water_marks.h"

namespace cxxloop {

// What a datagram transport is made of; the references are borrowed, null where absent.
struct DatagramParts {
  Loop* loop = nullptr;
  int fd = -1;
  int family = 0;
  int type = 0;
  PyObject* protocol = nullptr;
  PyObject* target = nullptr;  // where everything goes to
  PyObject* waiter = nullptr;
  bool connected = false;  // the socket has a peer
  bool shared = false;     // the program may have the socket, and set its options
};

// One datagram socket with its protocol: the C++ part of the Python object
// cxxloop._core.DatagramTransport, which is an asyncio.DatagramTransport.
//
// Datagrams are received in batches where they come in bursts, and handed to the protocol one by
// one, as callbacks of their own: when the program has other callbacks to run, stops the loop,
// pauses or has taken long, the rest waits in the backlog, behind those callbacks. The replies to
// the datagrams of a batch leave together (see should_gather()).
//
// Owns the descriptor. The loop's watchers and queue keep an open transport alive; after
// connection_lost() it holds nothing any more. Everything runs on the loop's thread with the
// GIL. Methods that return bool or PyObject* report a Python exception with false or null; the
// on_…() ones only what must leave run_forever().
class DatagramTransport final : public EventTarget {
 public:
  DatagramTransport(PyObject* self, const DatagramParts& parts, CapturedContext context);
  ~DatagramTransport();
  DatagramTransport(const DatagramTransport&) = delete;
  DatagramTransport& operator=(const DatagramTransport&) = delete;

  // Ready queue
  bool on_readable() override;
  bool on_writable() override;
  bool on_deferred() override;
  bool on_flush() override { return flush(); }
  [[nodiscard]] PyObject* owner() const override { return self_; }

  // asyncio.DatagramTransport; `address` may be None
  PyObject* sendto(PyObject* data, PyObject* address);
  bool close();
  bool abort();
  bool force_close(PyObject* exception);
  bool pause_reading();
  bool resume_reading();
  void set_protocol(PyObject* protocol) { Py_XSETREF(protocol_, Py_NewRef(protocol)); }
  [[nodiscard]] PyObject* protocol() const { return protocol_; }
  [[nodiscard]] bool is_closing() const { return closing_; }
  [[nodiscard]] bool is_reading() const { return !closing_ && !paused_; }
  PyObject* write_buffer_size();
  [[nodiscard]] const WaterMarks& water_marks() const { return water_marks_; }
  bool set_write_buffer_limits(PyObject* high, PyObject* low);
  // From now on nothing is sent later than asked for: somebody may have set a socket option.
  bool share_socket();

  // What tests and libraries read
  [[nodiscard]] PyObject* loop_object() const { return loop_object_.ptr(); }
  [[nodiscard]] PyObject* target() const { return target_.ptr(); }
  [[nodiscard]] PyObject* python_socket() const { return fd_ < 0 ? nullptr : socket_.ptr(); }
  [[nodiscard]] int fd() const { return number_; }
  [[nodiscard]] Py_ssize_t lost_count() const { return lost_; }
  [[nodiscard]] bool paused() const { return paused_; }
  [[nodiscard]] bool protocol_paused() const { return protocol_paused_; }
  PyObject* buffer();  // a list of (data, address)
  PyObject* repr();

  bool hold_python_socket(PyObject* socket) { return socket_.hold(socket); }
  // Lets go of a descriptor that stays the caller's.
  void disown();
  // Called by the garbage collector or the last reference while still open.
  void finalize();
  int traverse(visitproc visit, void* arg) const;
  void clear();

 private:
  enum class Start : std::uint8_t { kConnectionMade, kReading, kDone };
  // What became of a datagram; with kFailed the OSError and with kBroken another exception is set.
  enum class Sent : std::uint8_t { kYes, kTryAgain, kFailed, kBroken };

  struct Received {
    Ref data;
    Ref address;
  };
  struct Waiting {
    Ref data;  // bytes
    Ref address;
  };
  struct Gathered {
    Ref data;  // bytes
    RawAddress address;
    Ref python_address;
  };

  // Life
  bool start();
  bool schedule_connection_lost(PyObject* exception);
  bool connection_lost(PyObject* exception);
  void release();
  void close_descriptor();
  bool fatal_error(const char* message);
  bool error_received();
  bool report_failure(PyObject* method_name);

  // Receiving
  bool watch_reading();
  void stop_watching_reading();
  bool receive();
  bool receive_one();
  bool receive_batch();
  bool receive_by_python();
  bool receive_failed(int error);
  bool append_received(const char* data, std::size_t length, const sockaddr_storage& address,
                       socklen_t size);
  bool deliver();
  bool deliver_first();
  [[nodiscard]] bool should_rest(std::int64_t started) const;
  void adapt_to(int received);

  // Sending
  bool check_data(PyObject* data);
  bool check_target(PyObject** address);
  Sent send_now(PyObject* data, PyObject* address);
  Sent send_by_python(PyObject* data, PyObject* address);
  bool send_failed(Sent sent);
  bool enqueue(PyObject* data, PyObject* address);
  bool send_waiting(bool* go_on);
  bool watch_writing();
  void stop_watching_writing();
  bool after_sending();
  bool maybe_pause_protocol();
  bool maybe_resume_protocol();

  // Replies that leave together
  [[nodiscard]] bool should_gather(PyObject* data, PyObject* address) const;
  bool gather(PyObject* data, PyObject* address, bool* gathered);
  bool flush();
  bool flush_from(std::vector<Gathered>& replies, std::size_t first);
  bool keep_waiting(std::vector<Gathered>& replies, std::size_t first);

  PyObject* self_;  // borrowed: we are a part of it
  Loop* loop_;      // null after connection_lost()
  Ref loop_object_;
  PyObject* protocol_;  // owned
  Ref target_;          // empty: each datagram has an address of its own, or the socket a peer
  Ref waiter_;
  Ref lost_exception_;
  HeldSocket socket_;
  CapturedContext context_;        // of receiving
  CapturedContext write_context_;  // of the datagram that had to wait
  CapturedContext lost_context_;
  AddressCache addresses_;
  std::deque<Received> backlog_;
  std::deque<Waiting> waiting_;
  std::vector<Gathered> gathered_;
  WaterMarks water_marks_;

  Py_ssize_t buffer_size_ = 0;  // as asyncio counts it
  Py_ssize_t lost_ = 0;         // set when connection_lost() is scheduled; counts datagrams then
  int fd_;                      // -1 once closed
  int number_;                  // what it was
  int family_;
  int type_;
  PyObject* replied_to_ = nullptr;  // borrowed: the sender of the datagram that is being delivered
  std::uint8_t slots_ = 1;          // how many datagrams the next receive() asks for
  std::uint8_t singles_ = 0;        // receives in a row that found one
  bool connected_;
  bool shared_;
  bool in_batch_ = false;  // several datagrams are being delivered
  bool delivering_ = false;
  Start start_ = Start::kConnectionMade;
  bool protocol_paused_ = false;
  bool closing_ = false;
  bool paused_ = false;
  bool reading_ = false;  // watched for reading
  bool writing_ = false;  // watched for writing
  LiveCount<DatagramTransport> counted_;
};

using DatagramTransportObject = TransportObject<DatagramTransport>;

// The heap type; set once by the bindings.
extern PyTypeObject* datagram_transport_type;

// loop._serve_datagrams(): adopts a Python socket, bound or not, and closes it at the end.
py::object make_datagram_transport(Loop& loop, const py::object& sock, const py::object& protocol,
                                   const py::object& target, const py::object& waiter,
                                   const py::dict& extra, bool shared);

}  // namespace cxxloop
