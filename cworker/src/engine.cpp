// SPDX-License-Identifier: Apache-2.0

#include "engine.hpp"

#include <unistd.h>

#include <algorithm>
#include <powerhose/error.hpp>
#include <powerhose/version.hpp>
#include <utility>

#include "text.hpp"
#include "wire/limits.hpp"

namespace powerhose::detail {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

namespace {

// Bounds the messages received before anything else has its turn.
constexpr int most_messages = 256;

// Results are held back for those of the next jobs, which are there already, if
// those are quick: on the scale of what a message of its own costs.
constexpr nanoseconds quick = microseconds(50);
constexpr nanoseconds hold_most = microseconds(200);

constexpr int final_linger = 1000;  // milliseconds

session_config session_config_of(const engine_config& c) {
  session_config s;
  for (const offer& o : c.offers) s.services.push_back(o.name);
  s.capacity = c.capacity;
  s.prefetch = std::max(c.prefetch, c.prefetch_unledgered);
  s.listen = c.own.has_value();
  s.patience = c.patience;
  s.drain_timeout = c.drain_timeout;
  return s;
}

// Queues so long that a message which cannot be sent means no connection, and
// that the pings of a master do not fill them while a handler computes.
int room_of(const engine_config& c) {
  return static_cast<int>(65536 + 4 * (c.capacity + std::max(c.prefetch, c.prefetch_unledgered)));
}

}  // namespace

engine::engine(engine_config config, logger log)
    : config_(std::move(config)),
      log_(std::move(log)),
      host_(host_name()),
      session_(std::chrono::steady_clock::now(), session_config_of(config_)),
      link_(config_.backend, config_.own, room_of(config_)),
      places_(config_.capacity) {
  for (std::size_t i = 0; i < places_.size(); ++i) places_[i].slot = i;
}

void engine::begin(moment) {
  log_.info("connecting to " + config_.backend.text() + " as " + config_.identity);
  link_.connect();
}

void engine::turn(moment now) {
  flush(now);
  do {
    quiet_ = true;
    const bool more = receive(now);
    // What has arrived is heard before a silence is judged.
    if (!ended() && now >= session_.deadline()) {
      session_.tick(now, actions_);
      perform_all(now);
    }
    if (more) quiet_ = false;
    // A send may swallow the signal for a message that came meanwhile, so the
    // sockets count as empty only if they were looked at after the last send.
  } while (!quiet_ && ready_.empty() && !ended());
}

place* engine::next() {
  if (ready_.empty()) return nullptr;
  place* p = ready_.front();
  ready_.pop_front();
  return p;
}

void engine::before(const place& p, moment now) {
  if (outbox_.empty()) return;
  if (p.service->expected > quick || now - outbox_.since() >= hold_most) flush(now);
}

void engine::done(place& p, moment now) {
  const std::size_t size = p.answer.octets().size();
  if (static_cast<std::int64_t>(size) > max_message_)
    p.fail("the result has " + std::to_string(size) + " octets, the largest message is " +
           std::to_string(max_message_));
  nanoseconds& expected = p.service->expected;
  expected = expected == nanoseconds::max() ? p.took : std::max(p.took, expected - expected / 8);
  session_.done(now, p.slot, actions_);
  perform_all(now);
  p.answer = {};  // nobody waits for it if it is still there
}

void engine::drain(moment now) {
  if (!ended())
    log_.info("draining: " + std::to_string(session_.running()) + " jobs run, " +
              std::to_string(session_.waiting()) + " wait");
  session_.drain(now, actions_);
  perform_all(now);
}

void engine::cancel_all() {
  for (place& p : places_) p.cancelled.store(true);
}

// Takes what has arrived. True if there may be more.
bool engine::receive(moment now) {
  for (int i = 0; i < most_messages && !ended(); ++i) {
    const bool here = link_.receive(message_);
    // Jobs may overtake the WELCOME: they wait in our own socket until it is here.
    const bool there = !here && session_.registered() && link_.receive_own(message_);
    if (!here && !there) {
      if (!session_.registered()) link_.stir_own();
      message_.owner.reset();
      return false;
    }
    session_.received(now, message_, actions_);
    perform_all(now);
  }
  return true;
}

void engine::flush(moment now) {
  if (outbox_.empty()) return;
  const bool sent = link_.send(outbox_.peer(), outbox_.frame());
  outbox_.clear();
  judge(sent, now);
  perform_all(now);
}

// Performing may be something that happens to the session: what that gives is
// performed last.
void engine::perform_all(moment now) {
  if (performing_) return;
  performing_ = true;
  for (std::size_t i = 0; i < actions_.size(); ++i) {
    const action a = std::move(actions_[i]);  // the vector may move
    perform(a, now);
  }
  actions_.clear();
  performing_ = false;
}

void engine::perform(const action& a, moment now) {
  switch (a.kind) {
    case act::start: return start(a, now);
    case act::result: return answer(a, now);
    case act::send: return say(a, now);
    case act::cancel: places_[a.slot].cancelled.store(true); return;
    case act::register_: return register_(now);
    case act::up: return up(*a.greeting);
    case act::return_:
      scratch_.clear();
      put_job_ref(scratch_, command::return_, a.ref);
      return judge(link_.send(a.peer, scratch_), now);
    case act::down:
      outbox_.clear();
      if (a.why != reason::drained) log_.warning(std::string("registration lost: ") + name_of(a.why));
      return;
    case act::reconnect:
      log_.warning("connecting again to " + config_.backend.text() + ": " + name_of(a.why));
      link_.connect();
      quiet_ = false;
      return;
    case act::dropped: return report_drop(a.text, now);
    case act::complaint: return log_.warning("the master complains about a message: " + printable(a.text));
    case act::end: return report_end(a);
  }
}

void engine::start(const action& a, moment now) {
  if (ledger_ && !ledger_->claim(a.job->number)) return session_.fenced(now, a.slot, actions_);
  place& p = places_[a.slot];
  p.job = a.job;
  p.service = &config_.offers[a.job->service];
  p.cancelled.store(false);
  ready_.push_back(&p);
}

void engine::answer(const action& a, moment now) {
  place& p = places_[a.slot];
  const worker_result result{a.ref, p.status, run_of(p.took)};
  const view octets = p.answer.octets();
  if (!outbox_.takes(octets)) {
    flush(now);
    scratch_.clear();
    put_header(scratch_, role::worker, command::result);
    put_worker_result_fields(scratch_, result);
    return judge(link_.send(a.peer, scratch_, std::move(p.answer)), now);
  }
  if (!outbox_.has_room(a.peer, octets)) flush(now);
  outbox_.add(now, a.peer, result, octets);
  if (outbox_.full()) flush(now);
}

// A message without fields.
void engine::say(const action& a, moment now) {
  flush(now);  // so that DRAIN and BYE come after what is finished
  scratch_.clear();
  put_header(scratch_, role::worker, a.what);
  judge(link_.send(a.peer, scratch_), now);
}

// Draws the conclusion from what became of a message.
void engine::judge(bool sent, moment now) {
  quiet_ = false;
  if (!sent) session_.unsent(now, actions_);
}

void engine::register_(moment now) {
  ledger_.reset();
  registration r;
  r.identity = config_.identity;
  for (const offer& o : config_.offers) r.services.push_back(o.name);
  r.capacity = static_cast<std::int64_t>(config_.capacity);
  r.prefetch = static_cast<std::int64_t>(config_.prefetch_unledgered);
  r.batch = config_.batch < 2 ? 0 : static_cast<std::int64_t>(config_.batch);
  r.pid = ::getpid();
  r.host = host_;
  r.language = "c++";
  r.version = POWERHOSE_VERSION;
  if (config_.wants_ledger) {
    try {
      const std::string directory = ledger_directory();
      if (directory.empty()) throw error(errc::resources, "start ledger: no private directory for it");
      ledger_ = ledger::create(directory);
      r.ledger = ledger_->path();
      r.prefetch = static_cast<std::int64_t>(config_.prefetch);
    } catch (const error& e) {
      log_.warning(std::string("going on without a start ledger: ") + e.what());
    }
  }
  if (config_.own) r.endpoint = link_.listen();
  scratch_.clear();
  if (const flaw bad = put_registration(scratch_, role::worker, r)) throw error(errc::bad_option, bad.text);
  judge(link_.send({}, scratch_), now);
}

// Takes over what the master grants.
void engine::up(const welcome& w) {
  max_message_ = w.max_message;
  outbox_.grant(w.batch, w.max_message);
  if (ledger_) ledger_->unlink();
  if (!w.ledger) ledger_.reset();
  log_.info("registered at master " + printable(w.identity) + ": prefetch " + std::to_string(w.prefetch) +
            ", batch " + std::to_string(w.batch) + ", ledger " + (w.ledger ? "yes" : "no") + ", heartbeat " +
            format_duration(w.heartbeat));
}

// One line a second at most, whatever arrives.
void engine::report_drop(const std::string& text, moment now) {
  ++dropped_;
  if (now - reported_ < std::chrono::seconds(1)) return;
  log_.warning("dropped " + std::to_string(dropped_) + " messages of the master, the last one: " + text);
  dropped_ = 0;
  reported_ = now;
}

void engine::report_end(const action& a) {
  why_ = a.why;
  link_.linger(why_ == reason::drained || why_ == reason::drain_timeout ? final_linger : 0);
  switch (why_) {
    case reason::drained: return log_.info("drained");
    case reason::refused: return log_.error("the master refuses this worker: " + printable(a.text));
    case reason::master_gone:
      return log_.error("the master is gone: nothing came from " + config_.backend.text());
    default: return log_.error(std::string("ending: ") + name_of(why_));
  }
}

void engine::add_descriptors(std::vector<pollfd>& to) const {
  to.push_back({link_.descriptor(), POLLIN, 0});
  if (const int own = link_.own_descriptor(); own >= 0) to.push_back({own, POLLIN, 0});
}

void engine::remove_files() noexcept {
  if (ledger_) ledger_->unlink();
  link_.remove_file();
}

}  // namespace powerhose::detail
