#pragma once

#include <pybind11/pybind11.h>

#include "cpython/ref.h"
#include "loop/loop.h"

namespace cxxloop {

// What transports tell the exception handler and the log, in asyncio's words. Each returns false
// with a Python exception set.

// Calls protocol.name(argument), or protocol.name() where `argument` is null, as a callback of its
// own: what it raises is reported as the callback's failure, and false is left for what must leave
// run_forever().
bool call_protocol(Loop& loop, PyObject* protocol, PyObject* name, PyObject* argument);

// Whether a protocol has connection_made(): asyncio looks it up before a transport is made of
// anything, and so does every transport here. False: the AttributeError is set.
bool has_connection_made(PyObject* protocol);

// Reports the exception that is set as the failure of a callback that object.name() was, or
// object.name(argument). False only for what must leave run_forever().
bool report_method(Loop& loop, PyObject* object, PyObject* name, PyObject* argument);

// Calls protocol.name() between two writes: what it raises goes to the exception handler as
// `message`. False only for what must leave run_forever().
bool call_flow_control(Loop& loop, PyObject* transport, PyObject* protocol, PyObject* name,
                       const char* message);

// Takes the exception that is set and reports it, unless it is an OSError: that is the network's
// doing and only worth a line in debug mode. False only for what must leave run_forever().
bool report_fatal_error(Loop& loop, const char* message, PyObject* transport, PyObject* protocol,
                        Ref* exception);

// In debug mode, logs the message and the exception's traceback.
bool log_failure(Loop& loop, PyObject* subject, const char* message, const Ref& exception);

// In debug mode, logs `format` with the transport.
bool log_debug(Loop& loop, PyObject* transport, const char* format);

// Counts a write that can't arrive any more, and logs `message` once there are many.
bool count_lost_write(Py_ssize_t& lost, const char* message = "socket.send() raised exception.");

}  // namespace cxxloop
