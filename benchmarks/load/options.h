#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace load {

// Ends the program with the failed call and errno's text.
[[noreturn]] inline void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

inline void check(bool ok, const char* what) {
  if (!ok) die(what);
}

// The command line, one `--name value` for each field.
struct Options {
  std::string mode = "steady";
  std::string path;       // of a Unix socket; empty for TCP
  int port = 0;           // on 127.0.0.1
  int connections = 1;    // each with one request outstanding; or datagrams under way
  unsigned messages = 1;  // what one request counts as
  size_t request = 1024;
  size_t response = 1024;    // 0: what the first HTTP response has
  std::string request_file;  // the request's bytes instead of its size
  bool echo = false;         // the response must equal the request
  bool tls = false;          // with whatever certificate
  double warmup = 0.2;
  double seconds = 1.0;
  uint64_t count = 0;  // stop after so many requests instead
  int pid = 0;         // of the server, for its CPU time and memory
  int cpu = -1;        // the only processor to run on

  std::string message;  // what is sent

  static Options parse(int argc, char** argv);

 private:
  bool set(const std::string& name, const char* value);
  void load_message();
};

inline bool Options::set(const std::string& name, const char* value) {
  if (name == "--mode") {
    mode = value;
  } else if (name == "--path") {
    path = value;
  } else if (name == "--port") {
    port = std::atoi(value);
  } else if (name == "--connections") {
    connections = std::atoi(value);
  } else if (name == "--messages") {
    messages = static_cast<unsigned>(std::atoi(value));
  } else if (name == "--request") {
    request = std::strtoull(value, nullptr, 10);
  } else if (name == "--response") {
    response = std::strtoull(value, nullptr, 10);
  } else if (name == "--request-file") {
    request_file = value;
  } else if (name == "--echo") {
    echo = std::atoi(value) != 0;
  } else if (name == "--tls") {
    tls = std::atoi(value) != 0;
  } else if (name == "--warmup") {
    warmup = std::atof(value);
  } else if (name == "--seconds") {
    seconds = std::atof(value);
  } else if (name == "--count") {
    count = std::strtoull(value, nullptr, 10);
  } else if (name == "--pid") {
    pid = std::atoi(value);
  } else if (name == "--cpu") {
    cpu = std::atoi(value);
  } else {
    return false;
  }
  return true;
}

inline void Options::load_message() {
  if (request_file.empty()) {
    for (size_t i = 0; i + 1 < request; ++i) message += static_cast<char>('a' + i % 23);
    message += '\n';
    return;
  }
  FILE* file = std::fopen(request_file.c_str(), "rb");
  check(file != nullptr, request_file.c_str());
  char chunk[4096];
  while (size_t n = std::fread(chunk, 1, sizeof chunk, file)) message.append(chunk, n);
  std::fclose(file);
}

inline Options Options::parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!options.set(argv[i], argv[i + 1])) {
      std::fprintf(stderr, "unknown option %s\n", argv[i]);
      std::exit(2);
    }
  }
  options.load_message();
  return options;
}

}  // namespace load
