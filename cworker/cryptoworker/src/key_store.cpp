// SPDX-License-Identifier: Apache-2.0

#include "key_store.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>

#include "crypto_service.hpp"
#include "failure.hpp"
#include "key_file.hpp"
#include "limits.hpp"

namespace powerhose::crypto {

namespace {

class descriptor {
 public:
  explicit descriptor(int fd) noexcept : fd_(fd) {}
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  ~descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const noexcept { return fd_; }

 private:
  int fd_;
};

std::string reason(int error) { return std::generic_category().message(error); }

std::string octal(mode_t mode) {
  char text[8];
  std::snprintf(text, sizeof text, "%04o", static_cast<unsigned>(mode) & 07777U);
  return text;
}

struct stat status_of(int fd) {
  struct stat s {};
  if (::fstat(fd, &s) != 0) throw key_error(reason(errno));
  return s;
}

void check_owner(const struct stat& s) {
  if (s.st_uid == ::geteuid() || s.st_uid == 0) return;
  throw key_error("it belongs to user " + std::to_string(s.st_uid) + ": chown it to user " +
                  std::to_string(::geteuid()));
}

void check_directory(const struct stat& s) {
  if (!S_ISDIR(s.st_mode)) throw key_error("it is not a directory");
  check_owner(s);
  if ((s.st_mode & 022U) != 0)
    throw key_error("its mode is " + octal(s.st_mode) + ": others could put keys there; chmod 0700");
}

void check_file(const struct stat& s) {
  if (!S_ISREG(s.st_mode)) throw key_error("it is not a regular file");
  check_owner(s);
  if ((s.st_mode & 077U) != 0)
    throw key_error("its mode is " + octal(s.st_mode) + ": others could use it; chmod 0600");
}

// Reads a file that nobody else may read. What is checked is what was opened, so
// it cannot be exchanged in between.
secret read_secret(int directory, const std::string& file) {
  // Non-blocking, or opening a named pipe would wait for its writer.
  const descriptor fd(::openat(directory, file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (fd.get() < 0 && errno == ELOOP) throw key_error("it is a symbolic link: put the file itself there");
  if (fd.get() < 0) throw key_error(reason(errno));
  check_file(status_of(fd.get()));
  secret content = zeros(limits::key_file + 1);
  std::size_t size = 0;
  while (size < content.size()) {
    const ssize_t n = ::read(fd.get(), content.data() + size, content.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw key_error(reason(errno));
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  if (size > limits::key_file)
    throw key_error("it is longer than " + std::to_string(limits::key_file) + " octets");
  content.resize(size);
  return content;
}

std::vector<std::string> files_of(int directory) {
  const int own = ::fcntl(directory, F_DUPFD_CLOEXEC, 0);  // closedir closes it
  DIR* const stream = own < 0 ? nullptr : ::fdopendir(own);
  if (stream == nullptr) {
    const int error = errno;
    if (own >= 0) ::close(own);
    throw key_error(reason(error));
  }
  std::vector<std::string> out;
  errno = 0;
  while (const dirent* entry = ::readdir(stream)) {
    if (entry->d_name[0] != '.') out.emplace_back(entry->d_name);
  }
  const int error = errno;
  ::closedir(stream);
  if (error != 0) throw key_error(reason(error));
  std::sort(out.begin(), out.end());
  if (out.size() > limits::key_files)
    throw key_error(std::to_string(out.size()) + " files, allowed are " + std::to_string(limits::key_files));
  return out;
}

bool is_key_name(std::string_view name) {
  constexpr std::size_t longest = 64;
  constexpr std::string_view first = "abcdefghijklmnopqrstuvwxyz0123456789";
  constexpr std::string_view rest = "abcdefghijklmnopqrstuvwxyz0123456789._-";
  return !name.empty() && name.size() <= longest && first.find(name[0]) != first.npos &&
         name.find_first_not_of(rest) == name.npos;
}

}  // namespace

key_store::key_store(const std::string& directory) {
  std::string at = directory;
  try {
    const descriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.get() < 0) throw key_error(reason(errno));
    check_directory(status_of(fd.get()));
    for (const std::string& file : files_of(fd.get())) {
      at = directory + "/" + file;
      load(fd.get(), file);
    }
  } catch (const key_error& e) {
    throw key_error("keys: " + at + ": " + e.what());
  } catch (const failure& e) {
    throw key_error("keys: " + at + ": " + e.what());
  }
}

void key_store::load(int directory, const std::string& file) {
  const std::size_t dot = std::min(file.rfind('.'), file.size());
  const std::string name = file.substr(0, dot);
  if (dot == file.size() || !is_key_name(name))
    throw key_error("the file's name is not NAME.TYPE, with a name of 1 to 64 of a-z, 0-9, '.', '_' and '-'");
  if (const named_key* other = find(name))
    throw key_error("there is also " + name + "." + name_of(other->type) + ": a name may have only one type");
  const key_type type = type_of(file.substr(dot + 1));
  keys_.emplace(name, parse_key(type, view(read_secret(directory, file))));
}

const named_key* key_store::find(std::string_view name) const {
  const auto at = keys_.find(name);
  return at == keys_.end() ? nullptr : &at->second;
}

std::vector<std::string> key_store::names() const {
  std::vector<std::string> out;
  for (const auto& [name, key] : keys_) out.push_back(name + "." + name_of(key.type));
  return out;
}

}  // namespace powerhose::crypto
