// SPDX-License-Identifier: Apache-2.0

#include "session.hpp"

#include <algorithm>
#include <utility>

#include "wire/limits.hpp"

namespace powerhose::detail {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

namespace {

// The longest time between two calls while not registered.
constexpr nanoseconds nap = seconds(1);
// Bounds how often we reconnect to a master with a very short heartbeat.
constexpr nanoseconds least_retry = milliseconds(100);

}  // namespace

const char* name_of(reason why) noexcept {
  switch (why) {
    case reason::none: break;
    case reason::silent: return "silent";
    case reason::disconnected: return "disconnected";
    case reason::evicted: return "evicted";
    case reason::unanswered: return "no answer";
    case reason::cancelled: return "cancelled";
    case reason::drained: return "drained";
    case reason::drain_timeout: return "drain timeout";
    case reason::master_gone: return "master gone";
    case reason::wedged: return "wedged";
    case reason::refused: return "refused";
  }
  return "no reason";
}

session::session(moment now, session_config config)
    : config_(std::move(config)),
      jobs_(config_.capacity, config_.capacity + config_.prefetch),
      now_(now),
      last_(now),
      heard_(now),
      since_(now) {
  for (std::size_t i = 0; i < config_.services.size(); ++i) services_.emplace(config_.services[i], i);
}

moment session::deadline() const {
  moment at;
  if (state_ == state::registered) {
    at = std::min(ping_, later(heard_, silence()));
  } else {
    at = std::min(later(since_, retry()), later(last_, nap));
    if (!draining_) at = std::min(at, later(heard_, patience()));
    if (!draining_ && is_stuck_) at = std::min(at, later(stuck_, config_.patience));
  }
  return draining_ ? std::min(at, cut_) : at;
}

// Each public function: the time, the rest is forgotten at its end.
#define POWERHOSE_STEP(now, out)      \
  if (state_ == state::ended) return; \
  out_ = &(out);                      \
  wake_up(now)

void session::tick(moment now, actions& out) {
  POWERHOSE_STEP(now, out);
  if (draining_ && now_ >= cut_) {
    if (registered()) send(command::bye);
    return end(reason::drain_timeout);
  }
  if (!registered()) return tick_unregistered();
  if (now_ >= later(heard_, silence())) {
    lose(reason::silent);
    reconnect(reason::silent);
  } else if (now_ >= ping_) {
    ping_ = later(now_, greeting_.heartbeat);
    send(command::ping);
  }
}

void session::received(moment now, const message& m, actions& out) {
  POWERHOSE_STEP(now, out);
  heard_ = now_;  // whatever it is
  if (m.count == 1 && m.frames[0].empty()) {
    if (m.peer.empty()) probed();
    return;
  }
  header head;
  if (const flaw bad = check_envelope(role::worker, direction::from_master, m.frames[0], m.count, head)) {
    // Only a message whose header is in order can have held jobs.
    const bool counted =
        bad.kind == fault::malformed && m.frames[0].size() >= header_size && head.who == role::worker;
    return broken(counted ? head.what : command::pong, bad.text);
  }
  handle(head, m);
}

void session::done(moment now, std::size_t slot, actions& out) {
  POWERHOSE_STEP(now, out);
  session_jobs::slot was;
  if (!jobs_.release(slot, was)) return;
  if (!was.stale) {
    action& a = emit(act::result);
    a.slot = slot;
    a.ref = was.job.ref;
    a.peer = std::move(was.job.peer);
    start_next();
  }
  emptied();
}

// The master has closed the ledger, so nothing of this registration will start,
// and no result of it is taken. The answer to a PING tells what comes next.
void session::fenced(moment now, std::size_t slot, actions& out) {
  POWERHOSE_STEP(now, out);
  session_jobs::slot was;
  if (!jobs_.release(slot, was)) return;
  if (!was.stale && registered()) {
    forget(reason::evicted);
    fence_ = true;
    send(command::ping);
  }
  emptied();
}

// There is no connection. libzmq looks for one by itself.
void session::unsent(moment now, actions& out) {
  POWERHOSE_STEP(now, out);
  if (state_ != state::registered && state_ != state::registering) return;
  lose(reason::disconnected);
  await();
}

void session::drain(moment now, actions& out) {
  POWERHOSE_STEP(now, out);
  if (draining_) return;
  draining_ = true;
  cut_ = later(now_, config_.drain_timeout);
  switch (state_) {
    case state::registered: told_ = true; return send(command::drain);
    case state::registering:
      // We may be welcome already, and a job on its way: DRAIN follows WELCOME.
      return;
    default: return await();
  }
}

#undef POWERHOSE_STEP

// Moves the past forward by the time that was slept through beyond what
// deadline() asked for.
void session::wake_up(moment now) {
  now_ = std::max(now, last_);
  const nanoseconds longest = registered() ? nanoseconds(greeting_.heartbeat) : nap;
  const nanoseconds over = now_ - last_ - longest;
  if (over > nanoseconds::zero()) {
    heard_ = later(heard_, over);
    since_ = later(since_, over);
    stuck_ = later(stuck_, over);
  }
  last_ = now_;
}

// How long a registered worker's master may say nothing.
nanoseconds session::silence() const { return greeting_.heartbeat * greeting_.liveness; }

// After how long without an answer there is a new connection. In
// listen mode a WELCOME may take two seconds, however short a heartbeat is.
nanoseconds session::retry() const {
  const bool slow = config_.listen && state_ == state::registering;
  if (!welcomed_ || slow) return handshake_timeout;
  return std::min<nanoseconds>(std::max(silence(), least_retry), handshake_timeout);
}

// Longer than silence, so that there is time for a reconnect.
nanoseconds session::patience() const {
  return std::max(config_.patience, silence() + 2 * nanoseconds(greeting_.heartbeat));
}

void session::tick_unregistered() {
  if (!draining_ && is_stuck_ && now_ >= later(stuck_, config_.patience)) {
    end(reason::wedged);
  } else if (!draining_ && now_ >= later(heard_, patience())) {
    end(reason::master_gone);
  } else if (now_ >= later(since_, retry())) {
    lose(reason::unanswered);
    reconnect(reason::unanswered);
  }
}

// A probe comes once for each connection, and the master knows a worker by its
// connection: all begins anew. While a REGISTER waits for its WELCOME, it may
// have gone over the old connection or over the new one, ahead of the probe. In
// the latter case another one would be the second on that connection, each with
// a ledger of its own, and nothing tells whose WELCOME comes first: jobs would be
// claimed in the wrong ledger, and given out again although they ran. So then it
// is begun anew with a connection that has seen neither.
void session::probed() {
  const bool waits = state_ == state::registering;
  lose(reason::disconnected);
  if (waits) {
    reconnect(reason::disconnected);
  } else {
    resume();
  }
}

void session::handle(const header& head, const message& m) {
  flaw bad;
  job_ref ref;
  peer_error e;
  switch (head.what) {
    case command::job:
      bad = on_job(head.fields, m.frames[1], m);
      if (bad) broken(command::job, bad.text);
      return;
    case command::batch: return on_batch(head, m);
    case command::welcome: return on_welcome(head.fields);
    case command::cancel:
    case command::recall:
      bad = parse_job_ref(head.fields, ref);
      if (!bad) call_back(ref, head.what == command::cancel, m.peer);
      break;
    case command::error:
      bad = parse_error(head.fields, e);
      if (!bad) on_error(e);
      break;
    case command::ping:
      bad = parse_nothing(head.fields);
      if (!bad && registered()) send(command::pong, m.peer);
      break;
    case command::bye:
      bad = parse_nothing(head.fields);
      if (!bad) bye();
      break;
    default: bad = parse_nothing(head.fields); break;  // PONG: it was heard, that is all
  }
  if (bad) emit_text(act::dropped, bad.text);
}

void session::on_welcome(view fields) {
  welcome w;
  if (const flaw bad = parse_welcome(fields, w)) return emit_text(act::dropped, bad.text);
  if (state_ != state::registering) return emit_text(act::dropped, "WELCOME without a REGISTER");
  state_ = state::registered;
  greeting_ = std::move(w);
  welcomed_ = true;
  ping_ = later(now_, greeting_.heartbeat);
  emit(act::up).greeting = &greeting_;
  if (draining_) {
    told_ = true;
    send(command::drain);
  }
}

void session::on_error(const peer_error& e) {
  switch (e.code) {
    case error_code::unregistered:
      // What was sent before a REGISTER is answered before its WELCOME, so while
      // registering this is about the past.
      if (state_ != state::registering) {
        lose(reason::evicted);
        resume();
      }
      break;
    case error_code::unknown_command:
    case error_code::too_large:
      emit_text(act::complaint, std::string(name_of(e.code)) + ": " + e.text);
      break;
    default: end(reason::refused, std::string(name_of(e.code)) + ": " + e.text);
  }
}

// When we asked for it, the master has no job of ours left; otherwise it
// ends, or it ends this registration.
void session::bye() {
  const bool registering = state_ == state::registering;
  lose(told_ ? reason::drained : reason::evicted);
  if (registering) {
    reconnect(reason::evicted);  // as in probed
  } else {
    await();
  }
}

void session::begin_registration() {
  state_ = state::registering;
  since_ = now_;
  is_stuck_ = told_ = fence_ = false;
  jobs_.received = 0;
  emit(act::register_);
}

// Ends the registration, or the attempt at one. What comes next is the caller's
// to say: reconnect, resume or await.
void session::lose(reason why) {
  if (registered()) emit_why(act::down, why);
  state_ = state::connecting;
  forget(why);
}

// Drops the jobs that wait and cancels those that run.
void session::forget(reason why) {
  jobs_.clear();
  for (std::size_t i = 0; i < jobs_.slots(); ++i) {
    session_jobs::slot& s = jobs_.at(i);
    if (!s.busy || s.stale) continue;
    s.stale = true;
    action& a = emit(act::cancel);
    a.slot = i;
    a.why = why;
  }
}

// Registers over the connection that there is, as soon as nothing runs any more.
void session::resume() {
  if (draining_) return await();
  if (jobs_.running() == 0) return begin_registration();
  state_ = state::evicted;
  since_ = now_;
  if (!is_stuck_) stuck_ = now_;
  is_stuck_ = true;
}

void session::reconnect(reason why) {
  await();
  if (!draining_) emit_why(act::reconnect, why);
}

// Waits for a connection or, when draining, for the last handler.
void session::await() {
  state_ = state::connecting;
  since_ = now_;
  if (draining_ && jobs_.running() == 0) end(reason::drained);
}

void session::end(reason why, std::string text) {
  lose(why);
  state_ = state::ended;
  action& a = emit(act::end);
  a.why = why;
  a.text = std::move(text);
}

action& session::emit(act kind) {
  out_->emplace_back();
  out_->back().kind = kind;
  return out_->back();
}

void session::send(command what, const std::string& peer) {
  action& a = emit(act::send);
  a.what = what;
  a.peer = peer;
}

}  // namespace powerhose::detail
