// The filter is a binary search over the system call number; every leaf returns at once. Calls that no leaf
// names run untouched, and where only the number decides, the kernel keeps that answer in a bitmap and skips
// the program altogether.
#include "filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdint>

#include "syscalls.h"

namespace portcullis {
namespace {

using Code = std::vector<sock_filter>;

constexpr unsigned kNotify = SECCOMP_RET_USER_NOTIF;
constexpr unsigned kAllow = SECCOMP_RET_ALLOW;
constexpr unsigned fail(int error) { return SECCOMP_RET_ERRNO | static_cast<unsigned>(error); }

// New namespaces of any kind, and a child that is not one's own: with either, "whose process is this, and
// what does this name mean" would have another answer than the monitor's.
constexpr unsigned kNamespaces = 0x7e020000;  // CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}
constexpr unsigned kNewTime = 0x80;           // CLONE_NEWTIME; in clone() these bits are the exit signal
constexpr unsigned kCloneParent = 0x8000;

sock_filter statement(unsigned code, unsigned k) { return {static_cast<uint16_t>(code), 0, 0, k}; }
sock_filter jump(unsigned code, unsigned k, unsigned yes, unsigned no) {
  return {static_cast<uint16_t>(code), static_cast<uint8_t>(yes), static_cast<uint8_t>(no), k};
}
sock_filter answer(unsigned action) { return statement(BPF_RET | BPF_K, action); }
sock_filter load(size_t offset) { return statement(BPF_LD | BPF_W | BPF_ABS, static_cast<unsigned>(offset)); }
size_t low(int i) { return offsetof(seccomp_data, args) + 8 * static_cast<size_t>(i); }  // little endian
size_t high(int i) { return low(i) + 4; }

// `action` when any bit of `mask` is set in argument `i`, else `otherwise`.
Code on_bits(int i, unsigned mask, unsigned action, unsigned otherwise) {
  return {load(low(i)), jump(BPF_JMP | BPF_JSET | BPF_K, mask, 0, 1), answer(action), answer(otherwise)};
}

// `action` when the low half of argument `i` is one of `values`, else allowed. (The kernel reads these
// arguments as 32 bits.)
Code on_values(int i, const std::vector<unsigned>& values, unsigned action) {
  Code code{load(low(i))};
  for (size_t v = 0; v < values.size(); v++)
    code.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, values[v], static_cast<unsigned>(values.size() - v), 0));
  code.push_back(answer(kAllow));
  code.push_back(answer(action));
  return code;
}

// The action of the case that the low half of argument `i` equals, else allowed.
struct Case {
  unsigned value, action;
};
Code on_cases(int i, std::initializer_list<Case> cases) {
  Code code{load(low(i))};
  for (const auto& [value, action] : cases) {
    code.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1));
    code.push_back(answer(action));
  }
  code.push_back(answer(kAllow));
  return code;
}

// Allowed when the low half of argument `i` is 0: oneself. Else notified.
Code on_others(int i) {
  return {load(low(i)), jump(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), answer(kAllow), answer(kNotify)};
}

// Allowed when argument 0 is `kind`, a process, and argument 1 is 0: oneself. Else notified.
Code on_others_of_kind(unsigned kind) {
  return {load(low(0)), jump(BPF_JMP | BPF_JEQ | BPF_K, kind, 0, 3), load(low(1)),
          jump(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), answer(kAllow), answer(kNotify)};
}

// `action` when argument `i` is a pointer other than NULL, else allowed.
Code on_pointer(int i, unsigned action) {
  return {load(low(i)), jump(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2), load(high(i)),
          jump(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), answer(action), answer(kAllow)};
}

// Of prlimit64: allowed for oneself unless it sets the limit of core dumps (see peer_ops.cc). Else notified.
Code limits() {
  Code code{load(low(0)), jump(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), answer(kNotify), load(low(1)),
            jump(BPF_JMP | BPF_JEQ | BPF_K, RLIMIT_CORE, 1, 0), answer(kAllow)};
  const Code sets = on_pointer(2, kNotify);
  code.insert(code.end(), sets.begin(), sets.end());
  return code;
}

struct Leaf {
  int nr;
  Code code;
};

void add(std::vector<Leaf>& leaves, std::initializer_list<int> calls, unsigned action) {
  for (const int nr : calls) leaves.push_back({nr, {answer(action)}});
}

std::vector<Leaf> leaves_of(bool privileged) {
  std::vector<Leaf> leaves;
  // Mediated. An O_PATH open gives a name and no access; using it is mediated again.
  leaves.push_back({__NR_openat, on_bits(2, O_PATH, kAllow, kNotify)});
  add(leaves, {kNrOpenat2, __NR_execve, __NR_execveat, __NR_unlinkat, __NR_renameat2, __NR_linkat, __NR_symlinkat,
               __NR_mkdirat, __NR_mknodat, __NR_truncate, __NR_fchmod, __NR_fchmodat, kNrFchmodat2, __NR_fchown,
               __NR_fchownat, __NR_connect, __NR_bind, __NR_sendmsg, __NR_sendmmsg, __NR_kill, __NR_tkill,
               __NR_tgkill, __NR_rt_sigqueueinfo, __NR_rt_tgsigqueueinfo, kNrPidfdSendSignal}, kNotify);
  add(leaves, {__NR_setxattr, __NR_lsetxattr, __NR_fsetxattr, kNrSetxattrat, __NR_removexattr, __NR_lremovexattr,
               __NR_fremovexattr, kNrRemovexattrat}, kNotify);
#ifdef __NR_renameat
  add(leaves, {__NR_renameat}, kNotify);
#endif
#ifdef __NR_open
  leaves.push_back({__NR_open, on_bits(1, O_PATH, kAllow, kNotify)});
  add(leaves, {__NR_creat, __NR_unlink, __NR_rmdir, __NR_rename, __NR_link, __NR_symlink, __NR_mkdir, __NR_mknod,
               __NR_chmod, __NR_chown, __NR_lchown}, kNotify);
#endif
  leaves.push_back({__NR_sendto, on_pointer(4, kNotify)});
  // SCTP connects and sends by socket options and control data as well; without it programs use TCP.
  constexpr unsigned kSctp = 132;
  leaves.push_back({__NR_socket, on_values(2, {kSctp}, fail(EPROTONOSUPPORT))});

  // Closed: ways around the mediated calls. "No such call" where programs then take another road.
  add(leaves, {kNrIoUringSetup, kNrIoUringEnter, kNrIoUringRegister, kNrClone3, kNrLandlockCreate, kNrLandlockAdd,
               kNrLandlockRestrict}, fail(ENOSYS));
  add(leaves, {__NR_bpf, __NR_perf_event_open, __NR_userfaultfd, __NR_init_module, __NR_finit_module,
               __NR_delete_module, __NR_kexec_load, __NR_ptrace, __NR_process_vm_readv, __NR_process_vm_writev,
               kNrPidfdGetfd, kNrProcessMadvise, __NR_mount, __NR_umount2, __NR_pivot_root, __NR_chroot, __NR_setns,
               kNrOpenTree, kNrOpenTreeAttr, kNrMoveMount, kNrFsopen, kNrFsconfig, kNrFsmount, kNrFspick,
               kNrMountSetattr, __NR_open_by_handle_at, __NR_swapon, __NR_swapoff, __NR_reboot, __NR_acct,
               __NR_quotactl, kNrQuotactlFd, __NR_settimeofday, __NR_clock_settime, __NR_adjtimex,
               __NR_clock_adjtime, __NR_sethostname, __NR_setdomainname, __NR_syslog, __NR_add_key,
               __NR_request_key, __NR_keyctl, __NR_vhangup, __NR_lookup_dcookie, __NR_fanotify_init}, fail(EPERM));
#ifdef __NR_kexec_file_load
  add(leaves, {__NR_kexec_file_load}, fail(EPERM));
#endif
#ifdef __NR_iopl
  add(leaves, {__NR_iopl, __NR_ioperm, __NR_uselib}, fail(EPERM));
#endif
  leaves.push_back({__NR_clone, on_bits(0, kNamespaces | kCloneParent, fail(EPERM), kAllow)});
  leaves.push_back({__NR_unshare, on_bits(0, kNamespaces | kNewTime, fail(EPERM), kAllow)});
  // Typing into a terminal that an outsider reads; hanging one up; naming, in memory, a process for signals;
  // switching on signals to an owner.
  constexpr unsigned kTiocsti = 0x5412, kTioclinux = 0x541c, kHangUp = 0x5437, kSetOwner = 0x8901, kSetGroup = 0x8902,
                     kAsync = 0x5452;
  leaves.push_back(
      {__NR_ioctl, on_values(1, {kTiocsti, kTioclinux, kHangUp, kSetOwner, kSetGroup, kAsync}, fail(EPERM))});
  // A lease would make the monitor's own open wait for the subject. An owner is sent signals; named in a register
  // it is looked at, named in memory refused. A terminal makes its foreground group the owner, and the monitor is
  // in that: so signals of descriptors stay off, and so does the choice of the signal.
  constexpr unsigned kLease = 1024, kOwner = 8, kOwnerInMemory = 15, kSignal = 10;
  Code control = on_cases(
      1, {{kLease, fail(EAGAIN)}, {kOwner, kNotify}, {kOwnerInMemory, fail(EPERM)}, {kSignal, fail(EPERM)}});
  control.pop_back();
  const Code flags = on_bits(2, O_ASYNC, fail(EPERM), kAllow);
  control.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, F_SETFL, 1, 0));
  control.push_back(answer(kAllow));
  control.insert(control.end(), flags.begin(), flags.end());
  leaves.push_back({__NR_fcntl, control});
  // Limits, scheduling and memory of processes other than oneself.
  leaves.push_back({__NR_prlimit64, limits()});
  leaves.push_back({__NR_setrlimit, on_values(0, {RLIMIT_CORE}, kNotify)});
  for (const int nr : {__NR_sched_setaffinity, __NR_sched_setscheduler, __NR_sched_setparam,
                       __NR_sched_setattr, __NR_migrate_pages, __NR_move_pages})
    leaves.push_back({nr, on_others(0)});
  constexpr unsigned kPriorityProcess = 0, kIoPriorityProcess = 1;
  leaves.push_back({__NR_setpriority, on_others_of_kind(kPriorityProcess)});
  leaves.push_back({__NR_ioprio_set, on_others_of_kind(kIoPriorityProcess)});
  // PR_SET_MM can rename a process's executable.
  constexpr unsigned kSetMm = 35, kBoundingDrop = 24, kSecureBits = 28, kAmbient = 47;
  Code prctl = on_values(0, {kSetMm}, fail(EPERM));
  if (privileged) {
    prctl = {load(low(0)), jump(BPF_JMP | BPF_JEQ | BPF_K, kSetMm, 4, 0),
             jump(BPF_JMP | BPF_JEQ | BPF_K, kBoundingDrop, 4, 0), jump(BPF_JMP | BPF_JEQ | BPF_K, kSecureBits, 3, 0),
             jump(BPF_JMP | BPF_JEQ | BPF_K, kAmbient, 2, 0), answer(kAllow), answer(fail(EPERM)), answer(kNotify)};
    add(leaves, {__NR_setuid, __NR_setgid, __NR_setreuid, __NR_setregid, __NR_setresuid, __NR_setresgid,
                 __NR_setfsuid, __NR_setfsgid, __NR_setgroups, __NR_capset}, kNotify);
  }
  leaves.push_back({__NR_prctl, prctl});
  std::sort(leaves.begin(), leaves.end(), [](const Leaf& a, const Leaf& b) { return a.nr < b.nr; });
  return leaves;
}

// Code for leaves [from, to), with the call's number in the accumulator.
Code search(const std::vector<Leaf>& leaves, size_t from, size_t to) {
  Code code;
  if (to - from == 1) {
    code = {jump(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(leaves[from].nr), 1, 0), answer(kAllow)};
    code.insert(code.end(), leaves[from].code.begin(), leaves[from].code.end());
    return code;
  }
  const size_t middle = (from + to) / 2;
  const Code left = search(leaves, from, middle), right = search(leaves, middle, to);
  // The right half may lie further than a conditional jump reaches.
  code = {jump(BPF_JMP | BPF_JGE | BPF_K, static_cast<unsigned>(leaves[middle].nr), 0, 1),
          statement(BPF_JMP | BPF_JA, static_cast<unsigned>(left.size()))};
  code.insert(code.end(), left.begin(), left.end());
  code.insert(code.end(), right.begin(), right.end());
  return code;
}

}  // namespace

std::vector<sock_filter> make_filter(bool privileged) {
  Code code = {load(offsetof(seccomp_data, arch)), jump(BPF_JMP | BPF_JEQ | BPF_K, kArch, 1, 0),
               answer(fail(ENOSYS)), load(offsetof(seccomp_data, nr))};
#if defined(__x86_64__)
  code.push_back(jump(BPF_JMP | BPF_JGE | BPF_K, kX32Bit, 0, 1));
  code.push_back(answer(fail(ENOSYS)));
#endif
  const std::vector<Leaf> leaves = leaves_of(privileged);
  const Code tree = search(leaves, 0, leaves.size());
  code.insert(code.end(), tree.begin(), tree.end());
  return code;
}

}  // namespace portcullis
