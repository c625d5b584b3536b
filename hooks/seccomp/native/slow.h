// A pool of threads for work that may wait for something outside: a FIFO's other end, a peer's handshake, an
// exec to be sealed. Threads are made on demand, up to a bound, and end when idle. Each has an umask and a
// working directory of its own (CLONE_FS unshared).
//
// `mutex_` owns everything below it. A thread that waits in the kernel is interrupted (EINTR) by a real-time
// signal with an empty handler, sent again and again, once its caller is gone or has a signal to take, or the
// pool stops.
#pragma once
#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

#include "gate.h"

namespace portcullis {

class SlowPool {
 public:
  explicit SlowPool(size_t most = 128) : most_(most) {}
  ~SlowPool() { stop(); }

  // Runs `work` on a worker. `caller` must outlive it (the work keeps the call alive). False: the pool is full
  // or has stopped, and `work` will not run.
  bool submit(const Caller& caller, std::function<void()> work);

  // Interrupts what runs, drops what has not begun, joins every thread. No submit succeeds afterwards.
  void stop();

 private:
  struct Job {
    const Caller* caller;
    std::function<void()> work;
  };
  struct Worker {
    pthread_t thread;
    const Caller* serving = nullptr;  // null: idle
    bool ended = false;
  };

  static void* entry(void* argument);
  void work(std::list<Worker>::iterator self);
  void watch();

  const size_t most_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  std::list<Worker> workers_;
  size_t idle_ = 0;
  bool stopping_ = false;
  std::thread watcher_;
};

// True when the task has a signal to take that it does not block. A call made on its behalf gives way to it, as
// the task's own would: it is then answered with kRestart, on which the kernel delivers the signal and repeats
// the call or fails it with EINTR, whichever the signal's handler asks for. A signal to a whole process of several
// threads is another thread's to take.
bool signal_pending(pid_t tid);
constexpr int kRestart = 512;  // ERESTARTSYS; user space sees it unless a signal is indeed pending

}  // namespace portcullis
