// The journal's writer and its native reader: the ring of wire.h in a mapped file. See journal.h for its promises.
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

namespace portcullis {
namespace {

constexpr size_t padded(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

// The fields of one record: first measured, then written to the ring.
class Fields {
 public:
  void add(Tag tag, std::string_view bytes) {
    if (count_ < kMost) entries_[count_++] = {tag, bytes};
  }
  uint8_t count() const { return static_cast<uint8_t>(count_); }
  size_t bytes() const {
    size_t total = 0;
    for (size_t i = 0; i < count_; i++) total += 4 + padded(entries_[i].bytes.size(), 4);
    return total;
  }
  void write(uint8_t* to) const {
    for (size_t i = 0; i < count_; i++) {
      const auto& [tag, bytes] = entries_[i];
      const uint32_t head = static_cast<uint32_t>(tag) << 24 | static_cast<uint32_t>(bytes.size());
      memcpy(to, &head, 4);
      memcpy(to + 4, bytes.data(), bytes.size());
      const size_t end = padded(bytes.size(), 4);
      memset(to + 4 + bytes.size(), 0, end - bytes.size());
      to += 4 + end;
    }
  }

 private:
  struct Entry { Tag tag; std::string_view bytes; };
  static constexpr size_t kMost = 8;
  Entry entries_[kMost];
  size_t count_ = 0;
};

}  // namespace

Journal::~Journal() {
  if (base_ != nullptr) munmap(base_, kJournalHeader + capacity_);
}

bool Journal::open(const std::string& path, uint64_t capacity, std::string& error) {
  const auto failed = [&](const char* what, int code) {
    error = std::string("cannot ") + what + " the journal " + path + ": " + strerror(code);
    return false;
  };
  if (capacity < 65536 || (capacity & (capacity - 1)) != 0) return failed("size", EINVAL);
  const Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return failed("create", errno);
  if (const int code = posix_fallocate(file.get(), 0, kJournalHeader + capacity)) return failed("reserve", code);
  void* at = mmap(nullptr, kJournalHeader + capacity, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (at == MAP_FAILED) return failed("map", errno);
  base_ = static_cast<uint8_t*>(at);
  data_ = base_ + kJournalHeader;
  capacity_ = capacity;
  memcpy(base_, &kJournalMagic, 8);
  memcpy(base_ + 8, &capacity, 8);
  return true;
}

Journal::Append Journal::append(RecordHeader& header, const Event& event, const Extras& extras) {
  const bool counted = header.kind == Kind::kCounted;
  Fields fields;
  uint8_t address[17];
  fields.add(Tag::kExe, event.exe);
  if (!counted) {
    if (event.is_address) {
      address[0] = event.protocol;
      memcpy(address + 1, event.address, 16);
      fields.add(Tag::kAddress, {reinterpret_cast<const char*>(address), sizeof address});
    } else {
      fields.add(event.is_unix ? Tag::kUnix : Tag::kPath, event.path);
    }
    if (event.has_to) fields.add(Tag::kTo, event.to);
    if (event.is_program) {
      fields.add(Tag::kArgv, event.argv);
      if (!event.interpreter.empty()) {
        fields.add(Tag::kInterpreter, event.interpreter);
        fields.add(Tag::kInterpreterArgv, event.interpreter_argv);
      }
    }
    if (header.kind == Kind::kReview) {
      fields.add(Tag::kSubjectArgv, extras.subject_argv);
      fields.add(Tag::kCwd, extras.cwd);
    }
  }
  const size_t size = padded(sizeof header + fields.bytes(), 8);
  header.size = static_cast<uint32_t>(size);
  header.op = static_cast<uint8_t>(event.op);
  header.fields = fields.count();
  header.also = event.also;
  header.detail = event.is_process ? static_cast<uint32_t>(event.target) : event.is_address ? event.port : 0;

  std::lock_guard lock(mutex_);
  uint64_t at = head().load(std::memory_order_relaxed);
  const uint64_t free = capacity_ - (at - tail().load(std::memory_order_acquire));
  const uint64_t to_end = capacity_ - (at & (capacity_ - 1));
  const uint64_t pad = to_end < size ? to_end : 0;
  if (free < pad + size) return kFull;
  if (pad != 0) {
    // Positions are multiples of 8, so a pad has room for size and kind.
    RecordHeader filler{};
    filler.size = static_cast<uint32_t>(pad);
    filler.kind = Kind::kPad;
    memcpy(data_ + (at & (capacity_ - 1)), &filler, 8);
    at += pad;
  }
  if (!counted) header.n = next_n().load(std::memory_order_relaxed) + 1;
  uint8_t* record = data_ + (at & (capacity_ - 1));
  memcpy(record, &header, sizeof header);
  fields.write(record + sizeof header);
  const size_t used = sizeof header + fields.bytes();
  memset(record + used, 0, size - used);
  if (!counted) next_n().store(header.n, std::memory_order_relaxed);
  head().store(at + size, std::memory_order_release);
  return kOk;
}

uint64_t Journal::unread() const {
  return head().load(std::memory_order_acquire) - tail().load(std::memory_order_acquire);
}

std::string Journal::unread_bytes() const {
  const uint64_t from = tail().load(std::memory_order_relaxed);
  const uint64_t bytes = head().load(std::memory_order_acquire) - from;
  const uint64_t position = from & (capacity_ - 1);
  const uint64_t first = std::min(bytes, capacity_ - position);
  std::string out(reinterpret_cast<const char*>(data_ + position), first);
  out.append(reinterpret_cast<const char*>(data_), bytes - first);
  return out;
}

void Journal::consumed(uint64_t bytes) { tail().fetch_add(bytes, std::memory_order_release); }

}  // namespace portcullis
