// SPDX-License-Identifier: Apache-2.0

// The C++ workers of internal/chaos: a service whose every start can be seen
// afterwards. It appends "S ID TIME" to its journal before it does anything, and
// "E ID TIME" (or C, when it was cancelled) after it; the times are those of the
// steady clock in nanoseconds. The jobs, "ID MODE MICROSECONDS PADDING", and their
// answers are those of internal/chaos/job.go.
//
//     journal-worker auto|relay|crew|single
//
// $CHAOS_JOURNAL is the path of the journal, to which the process id is added.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <powerhose/worker.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

namespace {

using std::chrono::microseconds;
using std::chrono::steady_clock;

// One write for each line: complete, whatever happens to the process next.
class journal {
 public:
  journal() {
    const char* prefix = std::getenv("CHAOS_JOURNAL");
    if (prefix == nullptr) throw std::runtime_error("CHAOS_JOURNAL is not set");
    const std::string path = std::string(prefix) + "." + std::to_string(::getpid());
    fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd_ < 0) throw std::runtime_error("cannot open " + path);
  }

  void say(char what, const std::string& id) const {
    const std::chrono::nanoseconds at = steady_clock::now().time_since_epoch();
    const std::string line = std::string(1, what) + " " + id + " " + std::to_string(at.count()) + "\n";
    // Without its journal the whole run proves nothing.
    if (::write(fd_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) std::abort();
  }

 private:
  int fd_ = -1;
};

std::string answer(const std::string& id, std::string_view payload) {
  std::uint64_t hash = 14695981039346656037U;  // FNV-1a
  for (const char c : payload) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash));
  return "done " + id + " " + digits;
}

std::string handle(const journal& to, const powerhose::job& work) {
  std::istringstream words(std::string(work.payload().substr(0, 200)));
  std::string id;
  std::string mode;
  std::int64_t count = 0;
  if (!(words >> id >> mode >> count)) throw std::runtime_error("not a job of this test");
  to.say('S', id);
  const auto end = steady_clock::now() + microseconds(count);
  if (mode == "sleep") {
    while (steady_clock::now() < end) {
      if (work.cancelled()) {
        to.say('C', id);
        throw std::runtime_error("cancelled " + id);
      }
      std::this_thread::sleep_until(std::min(end, steady_clock::now() + microseconds(2000)));
    }
  } else if (mode == "burn") {
    while (steady_clock::now() < end) {
    }
  } else if (mode == "hang") {
    std::this_thread::sleep_until(end);
  } else if (mode == "crash") {
    ::kill(::getpid(), SIGKILL);
  }
  to.say('E', id);
  if (mode == "fail") throw std::runtime_error("failed " + id);
  return answer(id, work.payload());
}

}  // namespace

int main(int argc, char** argv) try {
  using powerhose::threading;
  const std::map<std::string, threading> names{{"auto", threading::automatic},
                                               {"relay", threading::relay},
                                               {"crew", threading::crew},
                                               {"single", threading::single}};
  auto settings = powerhose::options::from_environment();
  settings.threads = names.at(argc > 1 ? argv[1] : "auto");
  const journal to;
  powerhose::worker w(settings);
  const auto record = [&to](const powerhose::job& work) { return handle(to, work); };
  w.on("record", record).on("record-cpp", record);
  return w.run();
} catch (const std::exception& e) {
  std::fprintf(stderr, "journal-worker: %s\n", e.what());
  return 2;
}
