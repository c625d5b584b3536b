// Changes of extended attributes. Some of them are file permissions under another name (system.posix_acl_*,
// security.capability), so every change is judged as `chmod` of the object, and performed on the object that was
// judged, with a copy of name and value.
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <string>

#include "resolve.h"
#include "syscalls.h"

namespace portcullis {
namespace {

// struct xattr_args of setxattrat.
struct ValueArguments {
  uint64_t value = 0;
  uint32_t size = 0;
  uint32_t flags = 0;
};

// What a call asks for, with everything copied from the caller.
struct Change {
  bool removes = false;
  std::string name;
  std::string value;
  int flags = 0;
};

class ChangeAttribute final : public Attempt {
 public:
  ChangeAttribute(Pinned object, Change change) : object_(std::move(object)), change_(std::move(change)) {}
  // The name /proc/self/fd/N leads to the pinned object itself, also where that is a symbolic link.
  Outcome perform(Caller&) override {
    const std::string path = fd_path(object_.fd.get());
    const int result =
        change_.removes
            ? removexattr(path.c_str(), change_.name.c_str())
            : setxattr(path.c_str(), change_.name.c_str(), change_.value.data(), change_.value.size(), change_.flags);
    return result == 0 ? Outcome::result(0) : Outcome::fail(errno);
  }

 private:
  Pinned object_;
  Change change_;
};

// 0 or errno.
int take_name(Caller& caller, uint64_t at, Change& change) {
  const int error = caller.read_string(at, XATTR_NAME_MAX, change.name);
  if (error == -ENAMETOOLONG || (error == 0 && change.name.empty())) return ERANGE;
  return -error;
}

// 0 or errno.
int take_value(Caller& caller, const ValueArguments& from, Change& change) {
  if (from.flags & ~uint32_t{XATTR_CREATE | XATTR_REPLACE}) return EINVAL;
  if (from.size > XATTR_SIZE_MAX) return E2BIG;
  change.flags = static_cast<int>(from.flags);
  change.value.resize(from.size);
  return from.size == 0 ? 0 : -caller.read(from.value, change.value.data(), from.size);
}

Prepared judged(Caller& caller, int error, const std::string& text, Pinned object, Change change) {
  if (error > 0) return Fails{error};
  Event event;
  event.op = Op::kChmod;
  event.pid = caller.tgid();
  event.exe = caller.exe();
  event.path = error == kUnresolvable ? text : object.name;
  if (error == kUnresolvable) return Refused{Reason::kUnresolvable, std::move(event)};
  if (object.protected_) return Refused{Reason::kProtected, std::move(event)};
  auto attempt = std::make_unique<ChangeAttribute>(std::move(object), std::move(change));
  attempt->event = std::move(event);
  return attempt;
}

// The calls that name the object by a path, with the number of the argument that is the attribute's name.
Prepared by_path(Caller& caller, int dirfd, uint64_t path_at, int flags, Change change) {
  std::string path;
  if (const int error = caller.read_string(path_at, PATH_MAX - 1, path)) return Fails{-error};
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return Fails{EINVAL};
  Lookup how;
  how.follow = (flags & AT_SYMLINK_NOFOLLOW) == 0;
  how.empty_path = (flags & AT_EMPTY_PATH) != 0;
  Pinned object;
  const int error = pin(caller, dirfd, path, how, object);
  return judged(caller, error, path, std::move(object), std::move(change));
}

Prepared by_descriptor(Caller& caller, Change change) {
  Pinned object;
  // An O_PATH descriptor carries no right to change anything.
  int error = 0;
  const Fd copy = caller.duplicate(static_cast<int>(caller.arg(0)), error);
  if (!copy) return Fails{error};
  if (fcntl(copy.get(), F_GETFL) & O_PATH) return Fails{EBADF};
  error = pin_descriptor(caller, static_cast<int>(caller.arg(0)), object);
  struct stat st;
  if (error == 0 && (fstat(copy.get(), &st) != 0 || st.st_dev != object.st.st_dev || st.st_ino != object.st.st_ino))
    return Fails{EBADF};  // another thread put something else under the number meanwhile
  return judged(caller, error, "(descriptor)", std::move(object), std::move(change));
}

}  // namespace

Prepared prepare_xattr(Caller& caller) {
  Change change;
  ValueArguments value{caller.arg(2), static_cast<uint32_t>(caller.arg(3)), static_cast<uint32_t>(caller.arg(4))};
  int name_argument = 1;
  switch (caller.nr()) {
    case __NR_removexattr: case __NR_lremovexattr: case __NR_fremovexattr: change.removes = true; break;
    case kNrRemovexattrat: change.removes = true; [[fallthrough]];
    case kNrSetxattrat: name_argument = 3; break;
    default:
      // The size is a size_t here: its upper half counts too.
      if (caller.arg(3) > XATTR_SIZE_MAX) return Fails{E2BIG};
  }
  if (const int error = take_name(caller, caller.arg(name_argument), change)) return Fails{error};
  if (caller.nr() == kNrSetxattrat) {
    if (caller.arg(5) != sizeof value) return Fails{EINVAL};
    if (const int error = caller.read(caller.arg(4), &value, sizeof value)) return Fails{-error};
  }
  if (!change.removes)
    if (const int error = take_value(caller, value, change)) return Fails{error};
  switch (caller.nr()) {
    case __NR_fsetxattr: case __NR_fremovexattr: return by_descriptor(caller, std::move(change));
    case __NR_lsetxattr: case __NR_lremovexattr:
      return by_path(caller, AT_FDCWD, caller.arg(0), AT_SYMLINK_NOFOLLOW, std::move(change));
    case kNrSetxattrat: case kNrRemovexattrat:
      return by_path(caller, static_cast<int>(caller.arg(0)), caller.arg(1), static_cast<int>(caller.arg(2)),
                     std::move(change));
    default: return by_path(caller, AT_FDCWD, caller.arg(0), 0, std::move(change));
  }
}

}  // namespace portcullis
