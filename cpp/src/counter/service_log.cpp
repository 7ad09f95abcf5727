#include "counter/service_log.hpp"

#include <unistd.h>

#include <utility>

#include "counter/logged_handler.hpp"

namespace loadcore::counter {

ServiceLog::ServiceLog(LogDetail detail, int descriptor)
    : detail_(detail), log_({.descriptor = descriptor}), source_(log_.open_source()) {}

std::unique_ptr<http::Handler> ServiceLog::handler(http::ServerThread& thread,
                                                   const http::HandlerFactory& make) {
  Log::Source& source = log_.open_source();
  if (detail_ == LogDetail::requests) {
    auto handler = std::make_unique<LoggedRequests>(source, thread);
    handler->set_inner(make(handler->thread()));
    return handler;
  }
  auto handler = std::make_unique<LoggedHandler>(source);
  handler->set_inner(make(thread));
  return handler;
}

void ServiceLog::recovered(const StoreStats& store, const DurableStats& durable,
                           base::Duration took) {
  const std::scoped_lock lock(mutex_);
  source_.write(LogEvent::recovered, [&](LogFields& fields) {
    fields.number("users", store.users).number("likes", store.likes).number("keys", durable.keys);
    fields.number("frames", durable.recovered_frames).number("torn_bytes", durable.torn_bytes);
    fields.number("duration_s", base::seconds(took));
  });
}

void ServiceLog::started(std::string_view url, std::string_view admin_url,
                         std::string_view durability) {
  const std::scoped_lock lock(mutex_);
  source_.write(LogEvent::started, [&](LogFields& fields) {
    fields.text("url", url);
    if (!admin_url.empty()) fields.text("admin", admin_url);
    fields.text("durability", durability);
    fields.number("pid", static_cast<std::uint64_t>(::getpid()));
  });
}

void ServiceLog::befell(const StoreEvent& event) {
  const std::scoped_lock lock(mutex_);
  switch (event.kind) {
    case StoreEvent::Kind::failed:
      source_.write(LogEvent::store_failed,
                    [&event](LogFields& fields) { fields.text("reason", event.reason); });
      break;
    case StoreEvent::Kind::snapshot_taken:
      source_.write(LogEvent::snapshot_taken, [&event](LogFields& fields) {
        fields.number("bytes", event.bytes).number("duration_s", base::seconds(event.took));
      });
      break;
    case StoreEvent::Kind::snapshot_failed:
      source_.write(LogEvent::snapshot_failed, [&event](LogFields& fields) {
        fields.number("duration_s", base::seconds(event.took));
      });
      break;
  }
}

void ServiceLog::draining(base::Duration drain) {
  const std::scoped_lock lock(mutex_);
  source_.write(LogEvent::draining,
                [drain](LogFields& fields) { fields.number("drain_s", base::seconds(drain)); });
}

void ServiceLog::stopped(std::uint64_t cut_off) {
  const std::scoped_lock lock(mutex_);
  if (std::exchange(stopped_, true)) return;
  source_.write(LogEvent::stopped,
                [cut_off](LogFields& fields) { fields.number("cut_off", cut_off); });
}

}  // namespace loadcore::counter
