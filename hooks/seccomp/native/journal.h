// The writing end of the journal (wire.h): a file-backed shared-memory ring that outlives the monitor.
// `mutex_` owns head and next_n; the tail belongs to the monitor's thread alone. A record is numbered and made
// visible in one critical section, so ring order is number order.
#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include "gate.h"

namespace portcullis {

class Journal {
 public:
  enum Append { kOk, kFull };
  // Context that only reviews carry.
  struct Extras {
    std::string subject_argv;
    std::string cwd;
  };

  Journal() = default;
  Journal(const Journal&) = delete;
  ~Journal();

  // Makes the file, mode 0600, with its blocks reserved: a full disk is an error here and never a SIGBUS later.
  // `capacity` is a power of two, at least 64 KiB.
  bool open(const std::string& path, uint64_t capacity, std::string& error);

  // Numbers the event (header.n; not for kCounted), fills header.size, op, also, fields, detail from `event`,
  // and publishes the record. kFull: nothing was written and no number was given out.
  Append append(RecordHeader& header, const Event& event, const Extras& extras);

  uint64_t unread() const;
  // A copy of the unread records; whole records only. Monitor's thread.
  std::string unread_bytes() const;
  // Gives the first `bytes` unread bytes back to the writer. Monitor's thread.
  void consumed(uint64_t bytes);

 private:
  std::atomic<uint64_t>& head() const { return *reinterpret_cast<std::atomic<uint64_t>*>(base_ + 64); }
  std::atomic<uint64_t>& tail() const { return *reinterpret_cast<std::atomic<uint64_t>*>(base_ + 128); }
  std::atomic<uint64_t>& next_n() const { return *reinterpret_cast<std::atomic<uint64_t>*>(base_ + 192); }

  uint8_t* base_ = nullptr;
  uint8_t* data_ = nullptr;
  uint64_t capacity_ = 0;
  std::mutex mutex_;
};

}  // namespace portcullis
