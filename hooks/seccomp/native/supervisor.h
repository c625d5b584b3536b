// The supervisor of one run: receives every trapped call, judges it by the table, records and answers it, and
// parks what is up for review until the monitor answers or the deadline passes.
//
// Threads, and what each owns:
//   receiver   takes notifications; prepares, judges and performs in one go; never waits for a verdict
//   completer  performs reviewed allows, denies at deadlines by itself even when JavaScript hangs
//   keeper     waits for the command, reaps orphans, ends the run
//   workers    (slow.h) performs that may block, and seals
// `mutex_` guards `pending_`, `answered_` and `stopping_`. Lock order: `mutex_`, then the journal's own.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "gate.h"
#include "journal.h"
#include "latency.h"
#include "launch.h"
#include "slow.h"
#include "table.h"

namespace portcullis {

struct Options {
  Command command;
  std::vector<uint8_t> table;     // model/policy/table.ts
  std::string journal;            // path of the file to make
  uint64_t journal_bytes = 0;     // a power of two
  uint64_t deadline_ns = 0;       // from an event's arrival
  bool observe = false;           // record verdicts, let everything through
  bool record_all = false;        // record allowed reads one by one
  bool decide_here = true;        // false: every event is put up for review
};

struct Ended {
  int code = -1;        // exit code, or -1 where a signal ended it
  int signal = 0;
  int exec_errno = 0;   // the command could not be executed
  int leftovers = 0;    // processes of the subject that were ended with it
};

// events = allowed + denied + reviewed. `unrecorded` events were denied because the journal stayed full.
struct Counters {
  std::atomic<uint64_t> events{0}, allowed{0}, denied{0}, counted{0}, reviewed{0}, expired{0}, unrecorded{0};
};

class Supervisor {
 public:
  using Wake = std::function<void()>;          // any thread: entries wait in the journal
  using Exited = std::function<void(Ended)>;   // the keeper, once, after the last entry

  ~Supervisor();
  // Launches the command. On failure nothing was executed and `error` is one sentence.
  bool start(Options options, Wake wake, Exited exited, std::string& error);
  // The monitor's answer to a review, at most once each. False when it comes too late: expired, or gone.
  bool answer(uint64_t n, bool allow);
  // Kills the command; the end comes through `exited`.
  void stop();
  pid_t pid() const { return launched_.pid; }
  const Counters& counters() const { return counters_; }
  const Latency& latency() const { return latency_; }
  Journal& journal() { return journal_; }

 private:
  struct Call;
  using CallPtr = std::shared_ptr<Call>;

  void receive();
  void complete();
  void keep();
  void handle(const CallPtr& call);
  void judge(const CallPtr& call);
  void refuse(const CallPtr& call, Reason reason);
  void let_through(const CallPtr& call);
  void park(const CallPtr& call);
  void release(const CallPtr& call);
  void deny(const CallPtr& call);
  void perform(const CallPtr& call);
  void perform_on(SlowPool& pool, const CallPtr& call);
  void finish(Call& call, Outcome outcome);
  void fail_closed(Call& call) noexcept;
  void stopped_after_all(Call& call, Reason reason);
  bool record(Call& call, Kind kind, Decision decision, Layer layer, Reason reason);
  bool is_callers_own(Call& call);
  void wake_if_filling();

  Options options_;
  Table table_;
  Journal journal_;
  Launched launched_;
  Counters counters_;
  Latency latency_;
  Wake wake_;
  Exited exited_;
  std::string own_credentials_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<uint64_t, CallPtr> pending_;                    // by event number
  std::deque<std::pair<CallPtr, bool>> answered_;          // taken from pending_, with the answer
  std::atomic<bool> stopping_{false};
  std::atomic<bool> receiver_done_{false};

  SlowPool slow_;
  SlowPool sealing_;
  std::thread receiver_, completer_, keeper_;
};

}  // namespace portcullis
