// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "session_jobs.hpp"
#include "wire/code.hpp"
#include "wire/frames.hpp"
#include "wire/registration.hpp"

namespace powerhose::detail {

/// Why something ended.
enum class reason {
  none,
  silent,         ///< the master missed its heartbeats
  disconnected,   ///< the connection broke, as a failed send or a new probe tells
  evicted,        ///< the master does not know us any more
  unanswered,     ///< no probe or no WELCOME in time
  cancelled,      ///< the caller gave up
  drained,        ///< what was there is finished: the good end
  drain_timeout,  ///< handlers did not return in time while draining
  master_gone,    ///< nothing came for as long as patience lasts
  wedged,         ///< handlers of a lost registration do not return
  refused,        ///< the master does not want us
};

const char* name_of(reason why) noexcept;

/// What the owner of a session must do.
enum class act {
  register_,  ///< send REGISTER with a new ledger and own socket, or report unsent()
  up,         ///< the master accepted the registration: greeting
  down,       ///< the registration is lost: results that were not sent are worth nothing. why
  reconnect,  ///< get a new connection. why
  send,       ///< send `what` (PING, PONG, DRAIN, BYE) to `peer`, or report unsent()
  return_,    ///< send RETURN of `ref` to `peer`, or report unsent()
  start,      ///< claim job->number in the ledger and start the handler in `slot`, or report fenced()
  cancel,     ///< tell the handler in `slot` that nobody waits any more. why
  result,     ///< the answer to done(): send the RESULT of `ref` to `peer`; without it, drop it. slot
  dropped,    ///< a message was dropped and is to be counted. text
  complaint,  ///< the master complained about a message of ours. text
  end,        ///< the session is over: the last action ever. why, text
};

struct action {
  act kind{};
  reason why = reason::none;
  command what{};
  std::size_t slot = 0;
  job_ref ref;
  std::string peer;
  std::string text;
  const job_record* job = nullptr;    ///< the session's own, valid until done() or fenced() of its slot
  const welcome* greeting = nullptr;  ///< the session's own
};

using actions = std::vector<action>;

/// A message as a DEALER sees it. Only the first two frames are kept.
struct message {
  view frames[2];
  std::size_t count = 0;
  std::shared_ptr<const void> owner;  ///< keeps the octets of the frames alive
  std::string peer;  ///< where on our own socket it came from; empty: the registration connection
};

struct session_config {
  std::vector<std::string> services;
  std::size_t capacity = 1;
  std::size_t prefetch = 0;  ///< jobs that may wait beyond that; the master gets back what is more
  /// Jobs come over our own socket, and only there. The owner makes a new one
  /// for each REGISTER, and reads it only while registered, as jobs may overtake
  /// the WELCOME.
  bool listen = false;
  std::chrono::nanoseconds patience{};
  std::chrono::nanoseconds drain_timeout{};
};

/// A worker's side of its conversation with a master: when to register, ping,
/// reconnect and give up, which job to start next, and whose result may still be
/// sent. It is pure: no sockets, clock, threads or handlers. What happened goes
/// in, with the time; what is to be done is appended to `out`:
///
///     s.received(now, message, out);
///     for (size_t i = 0; i < out.size(); ++i) perform(out[i]);   // may append
///     wait until s.deadline(), then s.tick(now, out)
///
/// It belongs to one owner, who connects before the first call and performs all
/// actions in order.
///
///                   probe, nothing runs              WELCOME
///     connecting ─────────────────────► registering ──────────► registered
///      ▲ ▲ │                              ▲                      │    │
///      │ │ │ probe, but jobs of an        │ the last             │    │ ERROR 1, probe
///      │ │ ▼ earlier registration run     │ of them ended        │    ▼
///      │ └evicted ────────────────────────┘                      │  registering or evicted
///      │   └─► patience is over: wedged                          │
///      └───── silent, disconnected, no answer, BYE ──────────────┘
///
/// Whenever a registration is lost, what waits is forgotten and what runs
/// is cancelled. A new one begins only when the last job of the earlier one has
/// ended. These are the states of docs/protocol.md, section 15:
/// "finishing" is connecting and evicted while a job runs, and draining is a
/// flag beside the state.
///
/// Time during which nobody called, because a handler computed in the owner's
/// only thread, or the process was stopped, is nobody's silence.
class session {
 public:
  session(moment now, session_config config);

  void tick(moment now, actions& out);                        ///< let everything that is due happen
  void received(moment now, const message& m, actions& out);  ///< a message arrived
  void done(moment now, std::size_t slot, actions& out);      ///< the handler of a started job returned
  void fenced(moment now, std::size_t slot, actions& out);    ///< a job was not started: the ledger is closed
  void unsent(moment now, actions& out);                      ///< the registration connection takes nothing
  void drain(moment now, actions& out);                       ///< finish what is there and leave

  /// When tick() is due at the latest. No meaning after the end.
  moment deadline() const;

  bool registered() const { return state_ == state::registered; }
  bool ended() const { return state_ == state::ended; }
  std::size_t waiting() const { return jobs_.waiting(); }
  std::size_t running() const { return jobs_.running(); }

 private:
  enum class state { connecting, evicted, registering, registered, ended };

  void wake_up(moment now);
  void tick_unregistered();
  void probed();
  void handle(const header& head, const message& m);
  void on_batch(const header& head, const message& m);
  flaw on_job(view fields, view payload, const message& m);
  void on_welcome(view fields);
  void on_error(const peer_error& e);
  void call_back(const job_ref& ref, bool cancel, const std::string& peer);
  void bye();
  void broken(command what, const char* text);

  void start_next();
  void start(job_record&& job);
  void give_back(const job_record& job);
  void emptied();

  void begin_registration();
  void lose(reason why);
  void forget(reason why);
  void resume();
  void reconnect(reason why);
  void await();
  void end(reason why, std::string text = {});

  bool takes_jobs(const message& m) const;
  std::chrono::nanoseconds silence() const;
  std::chrono::nanoseconds retry() const;
  std::chrono::nanoseconds patience() const;

  action& emit(act kind);
  void emit_why(act kind, reason why) { emit(kind).why = why; }
  void emit_text(act kind, std::string text) { emit(kind).text = std::move(text); }
  void send(command what, const std::string& peer = {});

  session_config config_;
  std::map<std::string, std::size_t, std::less<>> services_;  // to their places in config_.services
  session_jobs jobs_;
  state state_ = state::connecting;

  moment now_;    // of the call in progress
  moment last_;   // of the latest call
  moment heard_;  // when the master last sent something
  moment since_;  // when connecting, registering or evicted began
  moment ping_;   // when the next PING is due; valid while registered
  // Since when only our own jobs keep us from registering; valid while is_stuck_.
  moment stuck_;
  bool is_stuck_ = false;

  welcome greeting_;       // the latest
  bool welcomed_ = false;  // there was one
  bool fence_ = false;     // the ledger was found closed; the master's ERROR is yet to come

  bool draining_ = false;
  bool told_ = false;  // DRAIN was sent in this registration
  moment cut_;         // the end of the drain; valid while draining_

  actions* out_ = nullptr;  // of the call in progress
};

}  // namespace powerhose::detail
