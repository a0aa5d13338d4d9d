// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <optional>
#include <powerhose/answer.hpp>
#include <string>
#include <zmq.hpp>

#include "endpoint.hpp"
#include "session.hpp"

namespace powerhose::detail {

/// A worker's sockets: the DEALER that it registers on, and in listen mode its
/// own ROUTER. Nothing here blocks. It belongs to one thread at a time, and all
/// of it throws error with errc::transport for what should not happen.
class link {
 public:
  /// `room` is how many messages may be outstanding.
  link(const endpoint& backend, std::optional<endpoint> listen, int room);
  ~link();
  link(const link&) = delete;
  link& operator=(const link&) = delete;

  /// Connects. If there was a connection it is forgotten, with all that is still
  /// in it: also where libzmq has given it up for ever, after an error of the
  /// protocol below ours.
  void connect();

  /// Replaces our own socket by one at another endpoint, and returns that.
  std::string listen();

  /// Takes the next message. False if there is none now.
  bool receive(message& out);
  bool receive_own(message& out);

  /// Lets our own socket greet who connects, without receiving from it.
  void stir_own();

  /// Sends a message. False if there is no connection: only for an empty peer,
  /// which is the registration connection. What cannot be sent from our own
  /// socket is lost with the master's connection to it, which ends the
  /// registration.
  bool send(const std::string& peer, const std::string& header);
  bool send(const std::string& peer, const std::string& header, answer&& payload);

  /// Descriptors that become readable when there may be something to receive.
  /// They say so only once: receive until there is nothing, after every send
  /// too. -1 if there is no such socket.
  int descriptor() const;
  int own_descriptor() const;

  /// How long the last messages may take to leave when this is destroyed.
  void linger(int milliseconds);

  /// Removes our own socket's file. For the sudden end of the process.
  void remove_file() noexcept;

 private:
  bool send_frames(const std::string& peer, zmq::message_t* frames, std::size_t count);
  zmq::socket_t open(zmq::socket_type type, bool beats);
  void bind_ipc(const std::string& path);

  endpoint backend_;
  std::optional<endpoint> listen_;
  int room_;
  int listened_ = 0;  // counts own sockets
  std::string file_;  // of our own socket, if it is ipc
  zmq::context_t context_;
  zmq::socket_t dealer_;
  zmq::socket_t own_;
};

}  // namespace powerhose::detail
