// The pool of workers for attempts that may wait for something outside. See slow.h for its promises.
#include "slow.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <chrono>

namespace portcullis {
namespace {

using namespace std::chrono_literals;
constexpr auto kIdle = 5s;
constexpr auto kLook = 100ms;

int interruption() { return SIGRTMIN + 4; }

void install_interruption() {
  static const bool once = [] {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    sigaction(interruption(), &action, nullptr);  // no SA_RESTART: a waiting call returns EINTR
    return true;
  }();
  (void)once;
}

// The number after "\nKey:\t" in a status text; 0 where there is none.
uint64_t status_value(const std::string& status, const char* key, int base) {
  const size_t at = status.find(key);
  return at == std::string::npos ? 0 : strtoull(status.c_str() + at + strlen(key), nullptr, base);
}

}  // namespace

bool signal_pending(pid_t tid) {
  std::string status;
  if (!read_status(tid, status)) return false;
  const uint64_t blocked = status_value(status, "\nSigBlk:", 16);
  uint64_t pending = status_value(status, "\nSigPnd:", 16);
  if (status_value(status, "\nThreads:", 10) == 1) pending |= status_value(status, "\nShdPnd:", 16);
  return (pending & ~blocked) != 0;
}

bool SlowPool::submit(const Caller& caller, std::function<void()> work) {
  install_interruption();
  std::lock_guard lock(mutex_);
  if (stopping_) return false;
  for (auto it = workers_.begin(); it != workers_.end();) {
    if (!it->ended) { ++it; continue; }
    pthread_join(it->thread, nullptr);
    it = workers_.erase(it);
  }
  if (idle_ <= jobs_.size()) {
    if (workers_.size() >= most_) return false;
    workers_.emplace_back();
    const auto self = std::prev(workers_.end());
    auto* start = new std::pair<SlowPool*, std::list<Worker>::iterator>(this, self);
    if (pthread_create(&self->thread, nullptr, entry, start) != 0) {
      delete start;
      workers_.erase(self);
      return false;
    }
    idle_++;
    if (!watcher_.joinable()) watcher_ = std::thread([this] { watch(); });
  }
  jobs_.push_back({&caller, std::move(work)});
  changed_.notify_all();
  return true;
}

void* SlowPool::entry(void* argument) {
  auto* start = static_cast<std::pair<SlowPool*, std::list<Worker>::iterator>*>(argument);
  auto [pool, self] = *start;
  delete start;
  // Every signal but the interruption stays with the other threads.
  sigset_t all;
  sigfillset(&all);
  sigdelset(&all, interruption());
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  if (unshare(CLONE_FS) != 0) std::terminate();  // another thread's umask must never be used
  pool->work(self);
  return nullptr;
}

void SlowPool::work(std::list<Worker>::iterator self) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const bool woken = changed_.wait_for(lock, kIdle, [&] { return stopping_ || !jobs_.empty(); });
    if (stopping_ || !woken) break;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    idle_--;
    self->serving = job.caller;
    lock.unlock();
    job.work();
    lock.lock();
    self->serving = nullptr;
    job.work = nullptr;  // the caller may go with it: only after `serving` is cleared
    idle_++;
  }
  idle_--;
  self->ended = true;
  changed_.notify_all();
}

void SlowPool::watch() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    changed_.wait_for(lock, kLook, [&] { return stopping_; });
    for (Worker& worker : workers_)
      if (!worker.ended && worker.serving != nullptr && (stopping_ || !worker.serving->valid() || signal_pending(worker.serving->tid())))
        pthread_kill(worker.thread, interruption());
  }
}

void SlowPool::stop() {
  std::unique_lock lock(mutex_);
  if (stopping_ && workers_.empty() && !watcher_.joinable()) return;
  stopping_ = true;
  jobs_.clear();
  changed_.notify_all();
  for (;;) {
    bool running = false;
    for (Worker& worker : workers_) {
      if (worker.ended) continue;
      running = true;
      pthread_kill(worker.thread, interruption());
    }
    if (!running) break;
    changed_.wait_for(lock, 10ms);
  }
  for (Worker& worker : workers_) pthread_join(worker.thread, nullptr);
  workers_.clear();
  lock.unlock();
  if (watcher_.joinable()) watcher_.join();
}

}  // namespace portcullis
