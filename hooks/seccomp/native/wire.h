// The journal: a file-backed shared-memory ring through which every event leaves the hook. It is the only
// channel from native code to the monitor, so arrival order, trail order and recovery order are one order.
// monitor/journal.ts is the reader and states the same layout; a test compares the two.
//
// File: one 4096-byte header page, then `capacity` bytes of data (a power of two).
// Header, little endian, each on its own cache line:
//   @0   u64 magic 'PCJOURN1', u64 capacity
//   @64  u64 head   next byte to write (monotonic, position = head & (capacity-1)); owner: native, under the
//                   journal mutex; released (store-release) only after the record is whole: a torn record is
//                   never visible
//   @128 u64 tail   next byte to read; owner: the monitor
//   @192 u64 next_n number of the last event given out; owner: native, under the journal mutex
// A record never wraps: where it would, a PAD record fills the rest of the ring first.
#pragma once
#include <cstdint>

namespace portcullis {

constexpr uint64_t kJournalMagic = 0x314e52554f4a4350ull;  // "PCJOURN1"
constexpr size_t kJournalHeader = 4096;

enum class Kind : uint16_t {
  kPad = 0,
  kDecided = 1,  // the hook decided and answered: record in full
  kCounted = 2,  // an allowed read: counted per rule and process, only the exe field follows
  kReview = 3,   // put up for review: the monitor must answer(n)
};

enum class Effect : uint8_t { kAllow = 0, kReview = 1, kDeny = 2 };

// Indices into LAYERS (model/verdict.ts) that native code uses.
enum class Layer : uint8_t { kHook = 0, kPolicy = 1, kDeadline = 9, kMonitor = 10 };

// Indices into OPERATIONS (model/operation.ts).
enum class Op : uint8_t {
  kRead, kWrite, kCreate, kDelete, kRename, kLink, kChmod, kChown, kTruncate, kMkdir, kExec, kConnect, kBind,
  kSend, kSignal, kCount
};

// Why the hook itself denied (layer kHook); texts in monitor/journal.ts.
enum class Reason : uint16_t {
  kPolicy = 0,
  kUnresolvable = 1,       // the path could not be resolved to an object
  kUnreadableCaller = 2,   // the caller's memory or descriptors could not be read
  kCredentials = 3,        // the caller's credentials differ from the supervisor's
  kTooLong = 4,            // argument list or address longer than the hook judges
  kUnsealable = 5,         // the executable cannot be sealed (unreadable, or not traceable)
  kSealBroken = 6,         // what runs is not what was judged: the process was killed
  kUnsupported = 7,        // an address family or object kind the hook does not mediate
  kQueueFull = 8,          // too many operations in flight
  kJournalFull = 9,        // the journal stayed full until the deadline
  kInternal = 10,          // the hook failed; see the run's log
  kProtected = 11,         // the target is the monitor itself
  kOutsider = 12,          // a way to act on a process outside the subject that the hook does not mediate
};

// 64 bytes, then `fields` fields, then zero padding to a multiple of 8.
struct RecordHeader {
  uint32_t size;       // whole record, multiple of 8
  Kind kind;
  Effect effect;       // what was answered (kDecided), or kReview
  Layer layer;
  uint64_t n;          // event number; 0 in kCounted
  uint64_t received;   // ns, CLOCK_MONOTONIC
  uint64_t answered;   // ns; just before the answer was given; 0 in kReview
  uint64_t deadline;   // ns
  uint32_t pid;        // thread group id
  uint32_t rule;       // rule index, kNoRule for the default or none
  uint8_t op;          // Op
  uint8_t fields;
  uint16_t also;       // bit i: Op i performed on the same object too
  Reason reason;
  uint16_t enforced;   // 1: the effect was enforced; 0: observe mode, the operation was let through
  uint32_t detail;     // process object: target pid; address object: port; else 0
  uint32_t reserved;
};
static_assert(sizeof(RecordHeader) == 64);
constexpr uint32_t kNoRule = 0x3fffffff;

// A field: u32 header (tag << 24 | byte length), then the bytes, then zero padding to a multiple of 4.
// A field longer than 16 MiB - 1 cannot occur (arguments are bounded at 4 MiB).
enum class Tag : uint8_t {
  kExe = 1,        // subject executable
  kPath = 2,       // path object, or the program's path, or the process object's executable
  kTo = 3,         // second name of rename and link
  kArgv = 4,       // program arguments, each ended by NUL
  kInterpreter = 5,      // path of the #! interpreter
  kInterpreterArgv = 6,  // its arguments, each ended by NUL
  kAddress = 7,    // 1 protocol byte (0 tcp, 1 udp, 2 netlink, 3 other), then 16 address bytes; port in `detail`
  kUnix = 8,       // unix socket path, or '@' and the abstract name
  kSubjectArgv = 9,  // reviews only: the caller's own arguments, each ended by NUL
  kCwd = 10,         // reviews only: the caller's working directory
};

}  // namespace portcullis
