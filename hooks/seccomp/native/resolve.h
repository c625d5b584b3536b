// Names to objects. A name in the caller's memory is resolved once, as the caller's own call would resolve it,
// and pinned by an O_PATH descriptor; everything after works on the pin, never on the name again (P9).
//
// The caller shares the monitor's root, mount and user namespaces (the filter closes every way out of them), so
// the kernel's own resolution in the monitor is the caller's, but for three things that depend on who asks:
// the working directory, /proc/self with its magic links, and /dev/tty. Those are done here as for the caller.
//
// Not done here: the sticky-directory rule for symbolic links (protected_symlinks) on the slow walk.
#pragma once
#include <sys/stat.h>

#include <shared_mutex>

#include "gate.h"

namespace portcullis {

struct Lookup {
  bool follow = true;        // the last component, when it is a symbolic link
  bool directory = false;    // must be a directory
  bool empty_path = false;   // AT_EMPTY_PATH: "" means the descriptor itself
  uint64_t resolve = 0;      // openat2's RESOLVE_*
};

// An existing object.
struct Pinned {
  Fd fd;              // O_PATH
  std::string name;   // the kernel's name for it; the caller's own /proc/PID spelled /proc/self
  struct stat st {};
  bool protected_ = false;  // a part of the monitor itself that nobody may touch
};

// A name in an existing directory; the entry itself may be there or not.
struct Place {
  Fd parent;           // O_PATH
  std::string parent_name;
  std::string last;    // one component, with the slashes that followed it; empty for the root directory
  bool protected_ = false;
  // Canonical name of the entry, without trailing slashes.
  std::string name() const;
};

// Results: 0; a positive errno as the kernel would answer; or kUnresolvable: deny.
constexpr int kUnresolvable = -1;

int pin(Caller& caller, int dirfd, const std::string& path, const Lookup& how, Pinned& out);
// `path` as for calls that create or remove an entry: all but the last component is resolved.
int place(Caller& caller, int dirfd, const std::string& path, uint64_t resolve, Place& out);
// The entry of a place itself, without following it; ENOENT when there is none.
int pin_entry(Caller& caller, const Place& where, Pinned& out);
// The object of one of the caller's descriptors; EBADF when there is none.
int pin_descriptor(Caller& caller, int fd, Pinned& out);

// Held shared while an entry is made, removed or renamed for the subject, and alone while a judged name is used
// once more: a name that led to the judged folder then leads there still.
extern std::shared_mutex names;

// Opens the very object that `fd` pins, anew. The descriptor, or -1 with errno.
int open_pinned(int fd, int flags);

// The device that is the caller's controlling terminal; 0: it has none.
dev_t controlling_terminal(Caller& caller);

// The kernel's name of a pinned object, spelled for this caller. False when it has none.
bool name_of(Caller& caller, int fd, std::string& name, bool& protected_);

}  // namespace portcullis
