// SPDX-License-Identifier: Apache-2.0

#include "endpoint.hpp"

#include <arpa/inet.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <powerhose/error.hpp>

#include "text.hpp"

namespace powerhose::detail {

namespace {

constexpr std::string_view ipc_scheme = "ipc://";
constexpr std::string_view tcp_scheme = "tcp://";

[[noreturn]] void refuse(std::string_view text, const std::string& why) {
  throw error(errc::bad_endpoint, "endpoint \"" + printable(text) + "\" " + why);
}

bool starts_with(std::string_view text, std::string_view with) { return text.substr(0, with.size()) == with; }

std::string check_path(std::string_view text, std::string_view path) {
  if (path.empty()) refuse(text, "has no path: write ipc:///absolute/path");
  if (path[0] == '@')
    refuse(text, "is an abstract socket, which any local user may use: use an absolute path");
  if (path[0] != '/') refuse(text, "is not absolute: write ipc:///absolute/path, with three slashes");
  for (const char c : path) {
    if (c >= 0 && (c < 0x20 || c == 0x7f)) refuse(text, "has a control character: remove it");
    if (c == '*') refuse(text, "has a \"*\": name one socket");
    if (c == '~') refuse(text, "has a \"~\", which is not expanded here: write the directory's full name");
  }
  const std::string_view last = path.substr(path.rfind('/') + 1);
  if (last.empty() || last == "." || last == "..")
    refuse(text, "names a directory: add the name of the socket");
  if (path.size() > max_socket_path)
    refuse(text, "has a path of " + std::to_string(path.size()) + " octets, a unix socket allows " +
                     std::to_string(max_socket_path) + ": choose a shorter directory");
  return std::string(path);
}

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
         c == '_';
}

bool is_address_v6(const std::string& host) {
  in6_addr ignored{};
  return ::inet_pton(AF_INET6, host.substr(0, host.find('%')).c_str(), &ignored) == 1;
}

std::string check_host(std::string_view text, std::string_view host) {
  constexpr std::size_t most = 253;
  if (host.empty()) refuse(text, "has no host: write tcp://host:port");
  if (host == "*") refuse(text, "names no host: the other side has to know where to find it");
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') {
    std::string inner(host.substr(1, host.size() - 2));
    if (!is_address_v6(inner)) refuse(text, "has no IPv6 address in its brackets");
    return inner;
  }
  if (host.find(':') != std::string_view::npos)
    refuse(text, "has an IPv6 address without brackets: write it as in tcp://[::1]:5555");
  if (host.size() > most || !std::all_of(host.begin(), host.end(), is_name_char))
    refuse(text, "has no valid host: use an address, or a name of letters, digits, \".\", \"-\" and \"_\"");
  return std::string(host);
}

bool is_number(std::string_view port) {
  return !port.empty() && port.size() <= 5 &&
         std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_own_directory(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == ::geteuid();
}

std::string below(const char* variable, const std::string& directory, const std::string& name) {
  if (directory[0] != '/')
    throw error(errc::bad_endpoint, std::string(variable) + " is \"" + printable(directory) +
                                        "\", which is not an absolute path: correct or unset it");
  return directory + (directory.back() == '/' ? "" : "/") + name;
}

const char* variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

}  // namespace

endpoint endpoint::parse(std::string_view text) {
  endpoint e;
  if (starts_with(text, ipc_scheme)) {
    e.path_ = check_path(text, text.substr(ipc_scheme.size()));
    return e;
  }
  if (!starts_with(text, tcp_scheme))
    refuse(text, "does not begin with ipc:// or tcp://: write ipc:///absolute/path or tcp://host:port");
  const std::string_view rest = text.substr(tcp_scheme.size());
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos) refuse(text, "has no port: write tcp://host:port");
  e.host_ = check_host(text, rest.substr(0, colon));
  e.port_ = rest.substr(colon + 1);
  const long number = is_number(e.port_) ? std::stol(e.port_) : 0;
  if (number < 1 || number > 65535) refuse(text, "has no port from 1 to 65535");
  return e;
}

endpoint endpoint::parse_listen(std::string_view text) {
  endpoint e;
  if (starts_with(text, ipc_scheme)) {
    e.path_ = check_path(text, text.substr(ipc_scheme.size()));
    // Room for what every registration adds: ".PID.NUMBER".
    constexpr std::size_t room = sizeof ".4194304.1000000" - 1;
    if (e.path_.size() + room > max_socket_path)
      refuse(text, "has a path of more than " + std::to_string(max_socket_path - room) +
                       " octets, and a process id and a number are added: choose a shorter one");
    return e;
  }
  const std::size_t colon = text.rfind(':');
  const std::string_view port = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  if (starts_with(text, tcp_scheme) && port != "0" && port != "*")
    refuse(text, "has a fixed port, but each registration needs another: give port 0, any free one");
  if (starts_with(text, tcp_scheme)) {
    e = parse(std::string(text.substr(0, colon)) + ":1");
    const bool any = e.host_ == "0.0.0.0" || e.host_ == "::" || e.host_ == "0";
    if (any) refuse(text, "is every address: name the one by which the master reaches this machine");
    e.port_ = "*";
    return e;
  }
  return parse(text);
}

bool endpoint::is_loopback() const {
  in_addr v4{};
  if (host_ == "localhost" || host_ == "::1") return true;
  return ::inet_pton(AF_INET, host_.c_str(), &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

std::string endpoint::text() const {
  if (is_ipc()) return std::string(ipc_scheme) + path_;
  return std::string(tcp_scheme) + (is_ipv6() ? "[" + host_ + "]" : host_) + ":" + port_;
}

void endpoint::check_secure(bool insecure) const {
  if (insecure || is_ipc() || is_loopback()) return;
  refuse(text(),
         "leaves this machine, and nothing would be encrypted or authenticated: "
         "set the insecure option if the network is private, or use ipc");
}

std::string runtime_directory() {
  const std::string uid = std::to_string(::geteuid());
  if (const char* dir = variable("XDG_RUNTIME_DIR")) return below("XDG_RUNTIME_DIR", dir, "powerhose");
  if (is_own_directory("/run/user/" + uid)) return "/run/user/" + uid + "/powerhose";
  const char* temporary = variable("TMPDIR");
  return below("TMPDIR", temporary != nullptr ? temporary : "/tmp", "powerhose-" + uid);
}

std::string default_backend() {
  if (const char* backend = variable("POWERHOSE_BACKEND")) return backend;
  return std::string(ipc_scheme) + runtime_directory() + "/backend.sock";
}

bool ensure_private_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return false;
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return false;
  return S_ISDIR(info.st_mode) && info.st_uid == ::geteuid() && (info.st_mode & 077) == 0;
}

}  // namespace powerhose::detail
