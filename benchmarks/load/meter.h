#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "options.h"

namespace load {

inline double seconds_of(clockid_t clock) {
  timespec now;
  check(clock_gettime(clock, &now) == 0, "clock_gettime");
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

inline double now() { return seconds_of(CLOCK_MONOTONIC); }

// Reads the server's CPU time and memory from outside, so that it need not take part.
class Server {
 public:
  explicit Server(int pid) : pid_(pid) {
    if (pid_ == 0) return;
    const int error = clock_getcpuclockid(pid_, &clock_);
    if (error != 0) {
      errno = error;
      die("clock_getcpuclockid");
    }
  }

  // User and system time of all its threads.
  double cpu() const { return pid_ == 0 ? 0.0 : seconds_of(clock_); }

  // The user part, in steps of a clock tick.
  double user() const {
    unsigned long ticks = 0;
    if (FILE* file = open("stat")) {
      const char* format = "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu";
      if (std::fscanf(file, format, &ticks) != 1) ticks = 0;
      std::fclose(file);
    }
    return static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
  }

  // Resident memory in bytes.
  double memory() const {
    long pages = 0;
    if (FILE* file = open("statm")) {
      if (std::fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
      std::fclose(file);
    }
    return static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE));
  }

 private:
  FILE* open(const char* name) const {
    const std::string path = "/proc/" + std::to_string(pid_) + "/" + name;
    return pid_ == 0 ? nullptr : std::fopen(path.c_str(), "r");
  }

  int pid_;
  clockid_t clock_ = CLOCK_MONOTONIC;
};

// Counts finished requests, leaves out the warm-up, knows when to stop, and reports as JSON.
class Meter {
 public:
  explicit Meter(const Options& options)
      : options_(options), server_(options.pid), begun_(now()), start_(begun_) {
    latencies_.reserve(1 << 20);
    if (options.count != 0) start();
  }

  bool measuring() const { return measuring_; }
  bool done() const { return done_; }

  // A request that was sent at `sent` is answered.
  void answered(double sent) {
    const double at = now();
    if (!measuring_) {
      if (at - begun_ >= options_.warmup) start();
      return;
    }
    if (done_) return;
    requests_ += options_.messages;
    if (latencies_.size() < latencies_.capacity()) {
      latencies_.push_back(static_cast<float>((at - sent) * 1e6));
    }
    const bool enough =
        options_.count != 0 ? requests_ >= options_.count : at - start_ >= options_.seconds;
    if (enough) finish(at);
  }

  void report() {
    std::sort(latencies_.begin(), latencies_.end());
    const double each = 1e6 / static_cast<double>(std::max<uint64_t>(requests_, 1));
    std::printf(
        "{\"requests\": %llu, \"seconds\": %.6f, \"rate\": %.3f, \"cpu_us\": %.5f, "
        "\"user_us\": %.5f, \"client_us\": %.5f, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
        static_cast<unsigned long long>(requests_), spent_, static_cast<double>(requests_) / spent_,
        server_cpu_ * each, server_user_ * each, client_cpu_ * each, latency(0.50), latency(0.99));
  }

 private:
  void start() {
    measuring_ = true;
    server_cpu_ = server_.cpu();
    server_user_ = server_.user();
    client_cpu_ = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    start_ = now();
  }

  void finish(double at) {
    done_ = true;
    spent_ = at - start_;
    server_cpu_ = server_.cpu() - server_cpu_;
    server_user_ = server_.user() - server_user_;
    client_cpu_ = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - client_cpu_;
  }

  double latency(double share) const {
    if (latencies_.empty()) return 0.0;
    const double last = static_cast<double>(latencies_.size() - 1);
    return latencies_[static_cast<size_t>(share * last)];
  }

  const Options& options_;
  Server server_;
  double begun_;
  double start_;
  bool measuring_ = false;
  bool done_ = false;
  uint64_t requests_ = 0;
  double spent_ = 1.0;
  double server_cpu_ = 0.0;
  double server_user_ = 0.0;
  double client_cpu_ = 0.0;
  std::vector<float> latencies_;
};

}  // namespace load
