// SPDX-License-Identifier: Apache-2.0

#include "link.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "fd.hpp"
#include "system_error.hpp"
#include "wire/limits.hpp"

namespace powerhose::detail {

namespace {

constexpr int backlog = 1024;

[[noreturn]] void fail(const char* what, const zmq::error_t& e) {
  throw error(errc::transport, std::string(what) + ": " + e.what());
}

// Calls f until no signal interrupts it. Between the frames of a message that is
// the only thing that keeps them together.
template <class Function>
auto retry(Function f) {
  for (;;) {
    try {
      return f();
    } catch (const zmq::error_t& e) {
      if (e.num() != EINTR) throw;
    }
  }
}

bool receive_frame(zmq::socket_t& from, zmq::message_t& out) {
  return retry([&] { return from.recv(out, zmq::recv_flags::dontwait).has_value(); });
}

// The frames of a message that are kept, and what holds their octets.
struct parts {
  zmq::message_t frames[2];
};

view view_of(const zmq::message_t& m) { return {static_cast<const char*>(m.data()), m.size()}; }

bool receive_from(zmq::socket_t& from, bool with_peer, message& out) {
  auto kept = std::make_shared<parts>();
  if (!receive_frame(from, kept->frames[0])) return false;
  out.peer.clear();
  out.count = 0;
  bool more = kept->frames[0].more();
  if (with_peer) {
    out.peer = view_of(kept->frames[0]);
    if (!more || !receive_frame(from, kept->frames[0])) return true;
    more = kept->frames[0].more();
  }
  out.count = 1;
  zmq::message_t surplus;
  while (more) {
    zmq::message_t& next = out.count == 1 ? kept->frames[1] : surplus;
    if (!receive_frame(from, next)) break;  // cannot be: messages arrive whole
    more = next.more();
    ++out.count;
  }
  out.frames[0] = view_of(kept->frames[0]);
  out.frames[1] = out.count > 1 ? view_of(kept->frames[1]) : view();
  out.owner = std::move(kept);
  return true;
}

zmq::message_t message_of(view octets) { return zmq::message_t(octets.data(), octets.size()); }

void free_answer(void*, void* hint) { std::unique_ptr<answer>(static_cast<answer*>(hint)); }

// A message that owns a large answer's memory. libzmq frees it in a thread of its
// own, and only reads it, whatever the type says.
zmq::message_t message_of(answer&& a) {
  if (a.octets().size() < worth_handing_over) return message_of(a.octets());
  auto owned = std::make_unique<answer>(std::move(a));
  const view octets = owned->octets();
  zmq::message_t m(const_cast<char*>(octets.data()), octets.size(), free_answer, owned.get());
  static_cast<void>(owned.release());
  return m;
}

}  // namespace

link::link(const endpoint& backend, std::optional<endpoint> listen, int room)
    : backend_(backend), listen_(std::move(listen)), room_(room) {}

link::~link() {
  own_.close();
  remove_file();
}

// Without heartbeats of libzmq's own on ipc, where the kernel tells that a peer has
// gone: libzmq aborts the process when one falls due on a connection whose end it
// could not read yet (https://github.com/zeromq/libzmq/issues/4364).
zmq::socket_t link::open(zmq::socket_type type, bool beats) {
  namespace opt = zmq::sockopt;
  zmq::socket_t s(context_, type);
  // What a master may send is limited by WELCOME, which comes later; a socket
  // that meets a longer frame than its limit never connects again.
  s.set(opt::maxmsgsize, max_message);
  s.set(opt::sndhwm, room_);
  s.set(opt::rcvhwm, room_);
  s.set(opt::linger, 0);
  s.set(opt::handshake_ivl, 3000);
  if (beats) {
    s.set(opt::heartbeat_ivl, 1000);
    s.set(opt::heartbeat_timeout, 3000);
  }
  s.set(opt::tcp_keepalive, 1);
  s.set(opt::tcp_keepalive_idle, 30);
  s.set(opt::tcp_keepalive_intvl, 10);
  s.set(opt::tcp_keepalive_cnt, 3);
  s.set(opt::tcp_maxrt, 15000);
  return s;
}

void link::connect() try {
  namespace opt = zmq::sockopt;
  dealer_ = open(zmq::socket_type::dealer, !backend_.is_ipc());
  dealer_.set(opt::immediate, true);
  dealer_.set(opt::connect_timeout, 4000);
  dealer_.set(opt::reconnect_ivl, 50);
  dealer_.set(opt::reconnect_ivl_max, 1000);
  dealer_.set(opt::ipv6, backend_.is_ipv6());
  dealer_.connect(backend_.text());
} catch (const zmq::error_t& e) {
  fail("connect", e);
}

std::string link::listen() try {
  namespace opt = zmq::sockopt;
  own_.close();
  remove_file();
  own_ = open(zmq::socket_type::router, !listen_->is_ipc());
  own_.set(opt::router_mandatory, true);
  own_.set(opt::probe_router, true);
  own_.set(opt::ipv6, listen_->is_ipv6());
  if (listen_->is_ipc()) {
    bind_ipc(listen_->path() + "." + std::to_string(::getpid()) + "." + std::to_string(++listened_));
    return "ipc://" + file_;
  }
  own_.bind(listen_->text());
  return own_.get(opt::last_endpoint);
} catch (const zmq::error_t& e) {
  fail("listen", e);
}

// libzmq would remove whatever is at the path and give the socket the mode that
// the umask leaves: so it is handed a socket that listens already.
void link::bind_ipc(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);  // parse_listen left room
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode)) ::unlink(path.c_str());
  unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) throw_errno("socket");
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw_errno("bind " + path);
  file_ = path;
  if (::chmod(path.c_str(), 0600) != 0) throw_errno("chmod " + path);
  if (::listen(fd.get(), backlog) != 0) throw_errno("listen " + path);
  own_.set(zmq::sockopt::use_fd, fd.get());
  own_.bind("ipc://" + path);
  static_cast<void>(fd.release());  // libzmq's from here on
}

void link::remove_file() noexcept {
  if (!file_.empty()) ::unlink(file_.c_str());
  file_.clear();
}

bool link::receive(message& out) try {
  return receive_from(dealer_, false, out);
} catch (const zmq::error_t& e) {
  fail("receive", e);
}

bool link::receive_own(message& out) try {
  return own_ && receive_from(own_, true, out);
} catch (const zmq::error_t& e) {
  fail("receive", e);
}

bool link::send(const std::string& peer, const std::string& header) {
  zmq::message_t frames[2] = {{}, message_of(header)};
  return send_frames(peer, frames, 2);
}

bool link::send(const std::string& peer, const std::string& header, answer&& payload) {
  zmq::message_t frames[3] = {{}, message_of(header), message_of(std::move(payload))};
  return send_frames(peer, frames, 3);
}

void link::stir_own() try {
  if (own_) static_cast<void>(own_.get(zmq::sockopt::events));
} catch (const zmq::error_t& e) {
  fail("look", e);
}

// Sends frames[1] and those after it; frames[0] is for the peer's name.
bool link::send_frames(const std::string& peer, zmq::message_t* frames, std::size_t count) {
  const bool own = !peer.empty();
  if (own && !own_) return true;  // the socket of an earlier registration
  zmq::socket_t& to = own ? own_ : dealer_;
  if (own) frames[0].rebuild(peer.data(), peer.size());
  for (std::size_t i = own ? 0 : 1; i < count; ++i) {
    auto flags = zmq::send_flags::dontwait;
    if (i + 1 < count) flags = flags | zmq::send_flags::sndmore;
    try {
      if (!retry([&] { return to.send(frames[i], flags).has_value(); })) return own;
    } catch (const zmq::error_t& e) {
      if (e.num() != EHOSTUNREACH) fail("send", e);
      return own;
    }
  }
  return true;
}

int link::descriptor() const { return dealer_ ? dealer_.get(zmq::sockopt::fd) : -1; }
int link::own_descriptor() const { return own_ ? own_.get(zmq::sockopt::fd) : -1; }

void link::linger(int milliseconds) {
  if (dealer_) dealer_.set(zmq::sockopt::linger, milliseconds);
  if (own_) own_.set(zmq::sockopt::linger, milliseconds);
}

}  // namespace powerhose::detail
