// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace powerhose::detail {

/// How long the path of a unix socket may be: sun_path has 108 octets, the last
/// one is a zero.
constexpr std::size_t max_socket_path = 107;

/// An address that was checked before libzmq sees it, which forgives too much:
/// it takes relative and over-long paths, unlinks what lies at an ipc path, and
/// retries for ever in silence what can never succeed.
class endpoint {
 public:
  /// To connect to: ipc:///absolute/path or tcp://host:port. Throws error with
  /// errc::bad_endpoint and a text that says what to change.
  static endpoint parse(std::string_view text);
  /// To listen at, for a master on the same or another machine: ipc as above;
  /// tcp with an address or name and port 0 or *, any free one.
  static endpoint parse_listen(std::string_view text);

  bool is_ipc() const { return !path_.empty(); }
  bool is_ipv6() const { return host_.find(':') != std::string::npos; }
  bool is_loopback() const;
  const std::string& path() const { return path_; }
  /// As libzmq takes it.
  std::string text() const;

  /// Throws error with errc::bad_endpoint for tcp beyond this machine, unless
  /// that is allowed.
  void check_secure(bool insecure) const;

 private:
  std::string path_;  // only ipc
  std::string host_;  // only tcp, without brackets
  std::string port_;  // only tcp; "*": any free one
};

/// This user's directory for sockets: docs/protocol.md, section 4. It need not
/// exist. Throws error with errc::bad_endpoint if the environment names a
/// relative one.
std::string runtime_directory();

/// $POWERHOSE_BACKEND, else backend.sock in runtime_directory(), as it is.
std::string default_backend();

/// Makes a directory if it is missing, and checks that only this user may enter
/// it. False if that is not so.
bool ensure_private_directory(const std::string& path);

}  // namespace powerhose::detail
