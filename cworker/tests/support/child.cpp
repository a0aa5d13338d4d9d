// SPDX-License-Identifier: Apache-2.0

#include "support/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <powerhose/spawn.hpp>
#include <stdexcept>

namespace test {

child::child(const master& m, std::vector<std::string> command) {
  ::setenv("POWERHOSE_BACKEND", m.endpoint().c_str(), 1);
  pid_ = powerhose::start_program(command);
}

child::~child() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void child::signal(int number) const { ::kill(pid_, number); }

int child::wait() {
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  if (fd < 0) throw std::runtime_error("pidfd_open");
  pollfd polled{fd, POLLIN, 0};
  const int ready = ::poll(&polled, 1, static_cast<int>(std::chrono::milliseconds(patience).count()));
  ::close(fd);
  if (ready != 1) throw std::runtime_error("a child does not end");
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::vector<std::string> test_worker(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), POWERHOSE_TEST_WORKER);
  return arguments;
}

void give_stubborn(master& m) {
  const std::string pipe = m.directory() + "/begun";
  ::unlink(pipe.c_str());
  if (::mkfifo(pipe.c_str(), 0600) != 0) throw std::runtime_error("mkfifo");
  const int fd = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  m.give({1, pipe, "stubborn"});
  // The end of the pipe is news only once somebody has had it open.
  pollfd polled{fd, POLLIN, 0};
  const int ready = ::poll(&polled, 1, static_cast<int>(std::chrono::milliseconds(patience).count()));
  ::close(fd);
  if (ready != 1) throw std::runtime_error("a handler does not begin");
}

std::size_t descriptors_of(int pid) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd"))
    ++count;
  return count;
}

}  // namespace test
