#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "containers/live_count.h"
#include "cpython/context.h"
#include "cpython/ref.h"
#include "loop/event_target.h"
#include "loop/loop.h"
#include "transports/byte_reader.h"
#include "transports/held_socket.h"
#include "transports/native_protocol.h"
#include "transports/outgoing.h"
#include "transports/socket_address.h"
#include "transports/transport_object.h"
#include "transports/water_marks.h"

namespace cxxloop {

// What a transport is made of. The references are borrowed, null where absent; the
// descriptor becomes the transport's as soon as that exists.
struct StreamParts {
  Loop* loop = nullptr;
  int fd = -1;
  int family = 0;
  int protocol_number = 0;
  PyObject* sock = nullptr;  // the Python object that owns the descriptor
  PyObject* protocol = nullptr;
  PyObject* waiter = nullptr;
  PyObject* extra = nullptr;
  PyObject* server = nullptr;
  PyObject* context = nullptr;
};

// One connected TCP or Unix stream socket with its protocol: the C++ part of the
// Python object cxxloop._core.StreamTransport, an asyncio.Transport.
//
// Owns the descriptor. The loop's watchers and queue keep an open transport alive; after
// connection_lost() it holds nothing any more. Everything runs on the loop's
// thread with the GIL. Methods that return bool or PyObject* report a Python
// exception with false or null; the on_…() ones only what must leave run_forever().
class StreamTransport final : public EventTarget {
 public:
  StreamTransport(PyObject* self, const StreamParts& parts, SocketAddress peer);
  ~StreamTransport();

  // The Python object; takes the descriptor over unless it fails. `peer` may be unknown.
  static PyObject* make(const StreamParts& parts, SocketAddress peer);

  // Ready queue
  bool on_readable() override;
  bool on_writable() override;
  bool on_deferred() override;
  bool on_flush() override;
  [[nodiscard]] PyObject* owner() const override { return self_; }

  // asyncio.Transport
  PyObject* write(PyObject* data);
  PyObject* writelines(PyObject* list);
  PyObject* write_eof();
  bool close();
  bool abort() { return force_close(nullptr); }
  bool force_close(PyObject* exception);
  bool pause_reading();
  bool resume_reading();
  bool set_protocol(PyObject* protocol);
  [[nodiscard]] PyObject* protocol() const { return protocol_; }
  [[nodiscard]] bool is_closing() const { return closing_; }
  [[nodiscard]] bool is_reading() const { return !closing_ && !paused_; }
  PyObject* write_buffer_size();
  [[nodiscard]] const WaterMarks& water_marks() const { return water_marks_; }
  bool set_write_buffer_limits(PyObject* high, PyObject* low);

  // Extra information, made when it is first asked for. New reference, null on error;
  // None where asyncio has None, and the default for a name that it doesn't know.
  PyObject* extra_info(PyObject* name, PyObject* fallback);
  PyObject* extra();

  // What the tests and libraries read
  [[nodiscard]] PyObject* loop_object() const { return loop_object_.ptr(); }
  [[nodiscard]] PyObject* server() const { return server_.ptr(); }
  [[nodiscard]] Py_ssize_t lost_count() const { return lost_; }
  [[nodiscard]] bool eof_written() const { return eof_; }
  [[nodiscard]] bool paused() const { return paused_; }
  [[nodiscard]] bool protocol_paused() const { return protocol_paused_; }
  PyObject* python_socket();  // borrowed; null with an error set
  [[nodiscard]] int fd() const { return fd_; }
  PyObject* repr();
  // While there is an empty waiter a file is being sent, and nothing can be written.
  PyObject* make_empty_waiter();
  [[nodiscard]] PyObject* empty_waiter() const { return empty_waiter_.ptr(); }
  void set_empty_waiter(Ref waiter) { empty_waiter_ = std::move(waiter); }

  // Called by the garbage collector or the last reference while still open.
  void finalize();
  int traverse(visitproc visit, void* arg) const;
  void clear();

 private:
  enum class Start : std::uint8_t { kConnectionMade, kReading, kDone };

  // Life
  bool enter_loop(const StreamParts& parts);
  void disown();
  bool start();
  bool start_reading();
  bool schedule_connection_lost(PyObject* exception);
  bool connection_lost(PyObject* exception);
  bool release();
  void close_descriptor();
  bool fatal_error(const char* message);

  // Reading
  bool read_data();
  bool read_into_buffer();
  bool read_for_native();
  bool deliver_eof();
  bool watch_reading();
  void stop_watching_reading();

  // Writing
  bool check_writable(PyObject* data);
  bool send_or_queue(PyObject* owner, const char* data, std::size_t length);
  bool queue(PyObject* owner, const char* data, std::size_t length, std::size_t offset);
  bool should_gather();
  bool gather(PyObject* owner, const char* data, std::size_t length);
  bool flush();
  bool send_outgoing(int* error);
  bool watch_writing();
  bool maybe_pause_protocol();
  bool maybe_resume_protocol();
  bool write_failed(int error);
  bool after_write_ready();
  bool shut_down_writing();

  PyObject* self_;  // borrowed: we are a part of it
  Loop* loop_;      // null after connection_lost()
  Ref loop_object_;
  PyObject* protocol_;               // owned
  NativeProtocol* native_protocol_;  // its C++ part; null: it has none
  Ref server_;
  Ref waiter_;
  Ref extra_;         // a dict, once somebody asked
  Ref empty_waiter_;  // sendfile waits for the queue to become empty, then for its end
  Ref lost_exception_;
  HeldSocket socket_;              // that was adopted, or made once somebody asked for it
  CapturedContext context_;        // of reading
  CapturedContext write_context_;  // of the write that had to wait
  CapturedContext lost_context_;
  Outgoing outgoing_;
  SocketAddress peer_;
  SocketAddress local_;  // fetched when asked for, at the latest when closing

  WaterMarks water_marks_;
  ByteReader reader_;
  std::uint64_t write_serial_ = 0;  // the callback of the last write
  Py_ssize_t lost_ = 0;             // set when connection_lost() is scheduled; counts writes then
  int fd_;
  int family_;
  int protocol_number_;
  std::uint8_t gathered_writes_ = 0;  // since the last flush
  std::uint8_t single_flushes_ = 0;   // in a row
  bool gathering_ = false;            // writes wait for the end of their callback
  bool flush_scheduled_ = false;
  bool buffered_ = false;  // the protocol is a BufferedProtocol
  Start start_ = Start::kConnectionMade;
  bool explicit_context_ = false;
  bool protocol_paused_ = false;
  bool closing_ = false;
  bool paused_ = false;
  bool eof_ = false;
  bool reading_ = false;  // watched for reading
  bool writing_ = false;  // watched for writing
  LiveCount<StreamTransport> counted_;
};

using StreamTransportObject = TransportObject<StreamTransport>;

// The heap type; set once by the bindings.
extern PyTypeObject* stream_transport_type;

// loop._make_socket_transport(): adopts a connected Python socket and closes it at the end.
py::object make_stream_transport(Loop& loop, const py::object& sock, const py::object& protocol,
                                 const py::object& waiter, const py::object& extra,
                                 const py::object& server, const py::object& context);

}  // namespace cxxloop
