// SPDX-License-Identifier: Apache-2.0

#include "ledger.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <new>
#include <utility>

#include "endpoint.hpp"
#include "fd.hpp"
#include "system_error.hpp"
#include "text.hpp"

namespace powerhose::detail {

namespace {

constexpr std::size_t size = 4096;

// Both sides touch the word by atomic operations of the processor alone.
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(sizeof(std::atomic<std::uint64_t>) == sizeof(std::uint64_t));

void* map_zeros(int fd) {
  // Written, not only given a size: a full file system is an error now and not a
  // SIGBUS at the first job.
  const char zeros[size] = {};
  if (::write(fd, zeros, size) != static_cast<ssize_t>(size)) throw_errno("start ledger: write");
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) throw_errno("start ledger: mmap");
  return memory;
}

bool is_in_memory(const std::string& directory) {
  struct statfs info {};
  return ::statfs(directory.c_str(), &info) == 0 && info.f_type == TMPFS_MAGIC;
}

}  // namespace

std::unique_ptr<ledger> ledger::create(const std::string& directory) {
  const std::string path = directory + "/ledger-" + std::to_string(::getpid()) + "-" + random_hex(8);
  const unique_fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) throw_errno("start ledger " + path);
  try {
    return std::unique_ptr<ledger>(new ledger(path, map_zeros(file.get())));
  } catch (...) {
    ::unlink(path.c_str());
    throw;
  }
}

ledger::ledger(std::string path, void* memory)
    : path_(std::move(path)), memory_(memory), word_(new (memory) std::atomic<std::uint64_t>(0)) {}

ledger::~ledger() {
  unlink();
  ::munmap(memory_, size);
}

bool ledger::claim(std::uint64_t n) noexcept {
  std::uint64_t expected = last_;
  if (!word_->compare_exchange_strong(expected, n)) return false;
  last_ = n;
  return true;
}

void ledger::unlink() noexcept {
  if (!path_.empty()) ::unlink(path_.c_str());
  path_.clear();
}

std::string ledger_directory() {
  const std::string runtime = runtime_directory();
  if (ensure_private_directory(runtime) && is_in_memory(runtime)) return runtime;
  const std::string shared = "/dev/shm/powerhose-" + std::to_string(::geteuid());
  if (ensure_private_directory(shared)) return shared;
  return ensure_private_directory(runtime) ? runtime : std::string();
}

}  // namespace powerhose::detail
