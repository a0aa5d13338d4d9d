// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <poll.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <powerhose/options.hpp>
#include <string>
#include <vector>

#include "ledger.hpp"
#include "link.hpp"
#include "logger.hpp"
#include "outbox.hpp"
#include "place.hpp"
#include "session.hpp"

namespace powerhose::detail {

/// What a worker is, checked and with its defaults filled in.
struct engine_config {
  endpoint backend;
  std::optional<endpoint> own;  ///< listen mode
  std::vector<offer> offers;
  std::size_t capacity = 1;
  std::size_t prefetch = 0;             ///< offered if there is a ledger
  std::size_t prefetch_unledgered = 0;  ///< and if there is none
  std::size_t batch = 0;
  bool wants_ledger = false;
  std::chrono::nanoseconds patience{};
  std::chrono::nanoseconds drain_timeout{};
  std::string identity;
};

/// A worker at work, but for its threads: the session decides, the engine
/// carries out. It translates messages and the ends of handlers into what
/// happens to the session, and the session's actions into messages, claims and
/// jobs to run. It never blocks. It belongs to one thread at a time, the one
/// "at the helm":
///
///     engine.begin(now);
///     for (;;) {
///       engine.turn(now);
///       if (engine.ended()) break;
///       while (place* p = engine.next()) run it here or elsewhere, then engine.done(*p, now);
///       if (engine.idle()) poll its descriptors until engine.deadline();
///     }
///
/// All of it throws error with errc::transport or errc::resources.
class engine {
 public:
  engine(engine_config config, logger log);

  void begin(moment now);
  /// Receives what has arrived, does what is due, and sends what is finished.
  void turn(moment now);
  /// A job that is to be run now; nullptr if there is none.
  place* next();
  /// To be called before a job is run where nothing else can happen meanwhile:
  /// sends the results that are finished, unless the job will be quick.
  void before(const place& p, moment now);
  /// A job was run.
  void done(place& p, moment now);
  void drain(moment now);
  /// Tells all handlers that nobody waits any more. For a failure of the engine.
  void cancel_all();

  bool ended() const { return session_.ended(); }
  reason why() const { return why_; }
  /// Whether nothing happens until the descriptors or the deadline say so.
  bool idle() const { return quiet_ && ready_.empty(); }
  moment deadline() const { return session_.deadline(); }
  std::size_t running() const { return session_.running(); }

  /// The sockets' descriptors, to be polled; at most two.
  void add_descriptors(std::vector<pollfd>& to) const;

  /// Removes the files that the end of the process would leave behind.
  void remove_files() noexcept;

 private:
  bool receive(moment now);
  void flush(moment now);
  void perform_all(moment now);
  void perform(const action& a, moment now);
  void start(const action& a, moment now);
  void answer(const action& a, moment now);
  void register_(moment now);
  void up(const welcome& w);
  void say(const action& a, moment now);
  void judge(bool sent, moment now);
  void report_drop(const std::string& text, moment now);
  void report_end(const action& a);

  engine_config config_;
  logger log_;
  std::string host_;
  session session_;
  link link_;
  actions actions_;
  bool performing_ = false;
  message message_;
  outbox outbox_;
  std::string scratch_;
  std::vector<place> places_;
  std::deque<place*> ready_;
  bool quiet_ = false;  // nothing was sent since the sockets were last found empty
  reason why_ = reason::none;

  // The registration.
  std::unique_ptr<ledger> ledger_;
  std::int64_t max_message_ = 0;

  // Messages that were dropped since the last line about it.
  std::uint64_t dropped_ = 0;
  moment reported_{};
};

}  // namespace powerhose::detail
