// The face of the native hook toward JavaScript. Nothing is decided here.
//
//   probe() → facts
//   start(options, wake, exited) → session
//     options {argv: Buffer[], env: Buffer[], cwd: Buffer, table: Uint8Array, journal: string, journalBytes,
//              deadlineNs, observe, recordAll, decideHere}
//     session {pid, drain(): Uint8Array | null, consumed(bytes), answer(n, allow): boolean, counters(), stop()}
// One session per process: the facts of a run are global to the native side.
#define NAPI_VERSION 8
#include <napi.h>

#include <string.h>

#include "probe.h"
#include "supervisor.h"

namespace portcullis {
namespace {

std::string text_of(const Napi::Value& value) {
  const auto bytes = value.As<Napi::Uint8Array>();
  return std::string(reinterpret_cast<const char*>(bytes.Data()), bytes.ByteLength());
}

std::vector<std::string> texts_of(const Napi::Value& value) {
  const auto list = value.As<Napi::Array>();
  std::vector<std::string> out;
  for (uint32_t i = 0; i < list.Length(); i++) out.push_back(text_of(list.Get(i)));
  return out;
}

Options options_of(const Napi::Object& from) {
  Options options;
  options.command.argv = texts_of(from.Get("argv"));
  options.command.env = texts_of(from.Get("env"));
  options.command.cwd = text_of(from.Get("cwd"));
  const std::string table = text_of(from.Get("table"));
  options.table.assign(table.begin(), table.end());
  options.journal = from.Get("journal").As<Napi::String>();
  const auto number = [&](const char* name) { return from.Get(name).As<Napi::Number>().Int64Value(); };
  const auto flag = [&](const char* name) { return from.Get(name).ToBoolean().Value(); };
  options.journal_bytes = static_cast<uint64_t>(number("journalBytes"));
  options.deadline_ns = static_cast<uint64_t>(number("deadlineNs"));
  options.observe = flag("observe");
  options.record_all = flag("recordAll");
  options.decide_here = flag("decideHere");
  return options;
}

// Owner: the JavaScript thread, for the rest of the process.
Supervisor* session = nullptr;

Napi::Value drain(const Napi::CallbackInfo& info) {
  const std::string bytes = session->journal().unread_bytes();
  if (bytes.empty()) return info.Env().Null();
  return Napi::Buffer<char>::Copy(info.Env(), bytes.data(), bytes.size());
}

Napi::Value counters(const Napi::CallbackInfo& info) {
  const Counters& from = session->counters();
  Napi::Object out = Napi::Object::New(info.Env());
  const auto set = [&](const char* name, const std::atomic<uint64_t>& value) { out.Set(name, static_cast<double>(value.load())); };
  set("events", from.events);
  set("allowed", from.allowed);
  set("denied", from.denied);
  set("counted", from.counted);
  set("reviewed", from.reviewed);
  set("expired", from.expired);
  set("unrecorded", from.unrecorded);
  out.Set("fast_p50_ns", static_cast<double>(session->latency().quantile(0.5)));
  out.Set("fast_p99_ns", static_cast<double>(session->latency().quantile(0.99)));
  return out;
}

Napi::Value start(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (session != nullptr) throw Napi::Error::New(env, "a run has already been started in this process");
  Options options = options_of(info[0].As<Napi::Object>());
  auto wake = Napi::ThreadSafeFunction::New(env, info[1].As<Napi::Function>(), "portcullis wake", 0, 1);
  auto exited = Napi::ThreadSafeFunction::New(env, info[2].As<Napi::Function>(), "portcullis exited", 0, 1);

  // At most one wake-up is under way at a time, so that a busy hook does not flood the event loop.
  auto waking = std::make_shared<std::atomic<bool>>(false);
  auto on_wake = [wake, waking]() mutable {
    if (waking->exchange(true)) return;
    wake.NonBlockingCall([waking](Napi::Env, Napi::Function callback) {
      waking->store(false);
      callback.Call({});
    });
  };
  auto on_exited = [wake, exited](Ended ended) mutable {
    exited.NonBlockingCall([ended](Napi::Env env, Napi::Function callback) {
      Napi::Object out = Napi::Object::New(env);
      out.Set("code", ended.code < 0 ? env.Null() : Napi::Value(Napi::Number::New(env, ended.code)));
      out.Set("signal", ended.signal == 0 ? env.Null() : Napi::Value(Napi::Number::New(env, ended.signal)));
      out.Set("execErrno", ended.exec_errno == 0 ? env.Null() : Napi::Value(Napi::Number::New(env, ended.exec_errno)));
      out.Set("leftovers", ended.leftovers);
      callback.Call({out});
    });
    wake.Release();
    exited.Release();
  };
  auto supervisor = std::make_unique<Supervisor>();
  std::string error;
  if (!supervisor->start(std::move(options), on_wake, on_exited, error)) {
    wake.Abort();
    exited.Abort();
    throw Napi::Error::New(env, error);
  }
  session = supervisor.release();
  Napi::Object out = Napi::Object::New(env);
  out.Set("pid", session->pid());
  out.Set("drain", Napi::Function::New(env, drain));
  out.Set("consumed", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
            session->journal().consumed(static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value()));
          }));
  out.Set("answer", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
            const auto n = static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value());
            return Napi::Boolean::New(info.Env(), session->answer(n, info[1].ToBoolean()));
          }));
  out.Set("counters", Napi::Function::New(env, counters));
  out.Set("stop", Napi::Function::New(env, [](const Napi::CallbackInfo&) { session->stop(); }));
  return out;
}

Napi::Value probe_facts(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const Facts facts = probe();
  Napi::Object out = Napi::Object::New(env);
  out.Set("release", facts.release);
  out.Set("architecture", facts.architecture);
  out.Set("uid", facts.uid);
  out.Set("listenerError", facts.listener_errno == 0 ? env.Null() : Napi::Value(Napi::String::New(env, strerror(facts.listener_errno))));
  out.Set("ptraceScope", facts.ptrace_scope);
  const auto set = [&](const char* name, bool value) { out.Set(name, Napi::Boolean::New(env, value)); };
  set("supportedArchitecture", facts.supported_architecture);
  set("userNotification", facts.user_notification);
  set("listener", facts.listener);
  set("syncWakeUp", facts.sync_wake_up);
  set("installDescriptor", facts.install_descriptor);
  set("takeDescriptor", facts.take_descriptor);
  set("readMemory", facts.read_memory);
  set("seal", facts.seal);
  set("threadPidfd", facts.thread_pidfd);
  set("openat2", facts.openat2);
  set("proc", facts.proc);
  set("privileged", facts.privileged);
  return out;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("probe", Napi::Function::New(env, probe_facts));
  exports.Set("start", Napi::Function::New(env, start));
  return exports;
}

}  // namespace
}  // namespace portcullis

static Napi::Object portcullis_init(Napi::Env env, Napi::Object exports) { return portcullis::init(env, exports); }
NODE_API_MODULE(portcullis, portcullis_init)
