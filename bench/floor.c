// The floor: the cheapest supervisor there can be. It answers every notification at once with CONTINUE and
// judges nothing, so its cost is the kernel's own.
//
//   floor plain  ITERATIONS PATH         open+close in a loop, no filter
//   floor answer ITERATIONS PATH         the same under a filter that notifies for openat
//   floor opener ITERATIONS PATH         the loop alone, to be run under another supervisor
//
// Prints one JSON line: {"mode":…, "iterations":…, "ns":…} with ns per open+close. Placement on cores is the
// caller's affair (taskset).
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, uint64_t)
#endif
#define SYNC_WAKE_UP 1ul

static void die(const char *what) {
  fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
  exit(2);
}

static double loop(long iterations, const char *path) {
  struct timespec a, b;
  clock_gettime(CLOCK_MONOTONIC, &a);
  for (long i = 0; i < iterations; i++) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) die(path);
    close(fd);
  }
  clock_gettime(CLOCK_MONOTONIC, &b);
  return ((b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec)) / iterations;
}

static void report(const char *mode, long iterations, double ns) {
  printf("{\"mode\":\"%s\",\"iterations\":%ld,\"ns\":%.1f}\n", mode, iterations, ns);
  fflush(stdout);
}

static int listen_for_openat(void) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof code / sizeof *code, code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) die("no_new_privs");
  int fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  if (fd < 0) die("seccomp");
  return fd;
}

// The child shares the parent's descriptor table for a moment (CLONE_FILES), so the listener needs no passing.
static void answer(long iterations, const char *path) {
  volatile int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  shared[0] = -1;
  pid_t child = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
  if (child < 0) die("clone");
  if (child == 0) {
    shared[0] = listen_for_openat();
    while (shared[1] == 0) usleep(100);
    report("answer", iterations, loop(iterations, path));
    _exit(0);
  }
  while (shared[0] < 0) usleep(100);
  int listener = shared[0];
  uint64_t flags = SYNC_WAKE_UP;
  ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, flags);
  shared[1] = 1;
  for (long i = 0; i < iterations; i++) {
    struct seccomp_notif request;
    memset(&request, 0, sizeof request);
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request)) {
      if (errno == EINTR || errno == ENOENT) continue;
      die("receive");
    }
    struct seccomp_notif_resp response = {.id = request.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response)) die("send");
  }
  waitpid(child, NULL, 0);
}

int main(int argc, char **argv) {
  long iterations = argc == 4 ? atol(argv[2]) : 0;
  if (iterations <= 0) {
    fprintf(stderr, "usage: floor plain|answer|opener ITERATIONS PATH\n");
    return 2;
  }
  if (!strcmp(argv[1], "answer")) answer(iterations, argv[3]);
  else report(argv[1], iterations, loop(iterations, argv[3]));
  return 0;
}
