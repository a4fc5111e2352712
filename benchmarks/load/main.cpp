// The client of every network row: measures a server that runs in another process, including the
// server's CPU time for each request. Prints one line of JSON.

#include <sched.h>
#include <sys/resource.h>

#include <deque>

#include "connection.h"
#include "datagrams.h"
#include "http.h"

namespace load {

void pin(int cpu) {
  if (cpu < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(cpu), &set);
  check(sched_setaffinity(0, sizeof set, &set) == 0, "sched_setaffinity");
}

void allow_many_files() {
  rlimit limit;
  check(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
  limit.rlim_cur = limit.rlim_max;
  check(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
}

// Keeps every connection busy; with `reconnect`, each request has a connection of its own.
void run(const Options& options, bool reconnect) {
  std::vector<char> buffer(256 * 1024);
  std::deque<Connection> connections;
  Watch watch;
  for (int i = 0; i < options.connections; ++i) {
    connections.emplace_back(options).open();
    watch.add(connections.back());
  }
  Meter meter(options);
  while (!meter.done()) {
    watch.wait([&](Connection& connection) {
      const bool verify = options.echo && !meter.measuring();
      if (!connection.pump(buffer, verify)) return;
      if (reconnect) connection.close();
      meter.answered(connection.began_at());
      if (reconnect) {
        connection.open();
        watch.add(connection);
      } else {
        connection.begin();
        connection.send_some();
      }
    });
  }
  meter.report();
}

void exchange(Connection& connection, std::vector<char>& buffer) {
  Watch watch;
  connection.open();
  watch.add(connection);
  bool complete = false;
  while (!complete) {
    watch.wait([&](Connection& ready) { complete = ready.pump(buffer, false); });
  }
}

// Opens connections that exchange one message and then stay, and reports the server's growth.
void idle(const Options& options) {
  allow_many_files();
  std::vector<char> buffer(256 * 1024);
  std::deque<Connection> connections;
  const Server server(options.pid);
  for (int i = 0; i < 50; ++i) exchange(connections.emplace_back(options), buffer);
  usleep(100000);
  const double before = server.memory();
  for (int i = 0; i < options.connections; ++i) {
    exchange(connections.emplace_back(options), buffer);
  }
  usleep(200000);
  const double each = (server.memory() - before) / options.connections;
  std::printf("{\"requests\": %d, \"bytes_per_connection\": %.1f}\n", options.connections, each);
}

}  // namespace load

int main(int argc, char** argv) {
  load::Options options = load::Options::parse(argc, argv);
  load::pin(options.cpu);
  if (options.response == 0) load::learn_response(options);
  if (options.mode == "steady") {
    load::run(options, false);
  } else if (options.mode == "connect") {
    load::run(options, true);
  } else if (options.mode == "idle") {
    load::idle(options);
  } else if (options.mode == "datagrams") {
    load::exchange_datagrams(options);
  } else {
    std::fprintf(stderr, "unknown mode %s\n", options.mode.c_str());
    return 2;
  }
}
