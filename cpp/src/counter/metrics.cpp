#include "counter/metrics.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "counter/exposition.hpp"
#include "counter/process_figures.hpp"
#include "counter/routes.hpp"
#include "loadcore/base/tally.hpp"
#include "loadcore/base/version.hpp"

namespace loadcore::counter {
namespace {

using Kind = Exposition::Kind;

void add_identity(Exposition& to, const Figures& figures) {
  to.family("loadcore_build_info", Kind::gauge, "Always 1; the version is a label.");
  to.sample(std::uint64_t{1}, {{"version", base::version()}});
  to.family("loadcore_durability_info", Kind::gauge,
            "Always 1; what the answer to a like promises is a label.");
  to.sample(std::uint64_t{1}, {{"durability", figures.durability}});
  to.single("loadcore_durability_failed", Kind::gauge,
            "1 when that promise can no longer be kept: nothing more is acknowledged.",
            std::uint64_t{figures.failed});
}

void add_requests(Exposition& to, const http::ServerStats& server) {
  to.family("loadcore_http_requests_total", Kind::counter,
            "Requests answered, by route and status; unread are those that were no request.");
  for (std::size_t route = 0; route < route_names.size(); ++route) {
    for (const auto& [status, count] : server.answers_of_route[route]) {
      to.sample(count, {{"route", route_names[route]}, {"status", std::to_string(status)}});
    }
  }
  std::array<double, base::SpanCounts::bounds.size()> bounds{};
  std::transform(base::SpanCounts::bounds.begin(), base::SpanCounts::bounds.end(), bounds.begin(),
                 // Not a product: 5 µs is to be written as 5e-06.
                 [](base::Duration bound) { return static_cast<double>(bound.count()) / 1e9; });
  to.family("loadcore_http_request_duration_seconds", Kind::histogram,
            "From a request having been read to its answer having been handed to the kernel.");
  for (std::size_t route = 1; route < route_names.size(); ++route) {
    const base::SpanCounts& spans = server.handling[route];
    to.histogram(bounds, spans.counts, base::seconds(spans.sum), {{"route", route_names[route]}});
  }
}

void add_connections(Exposition& to, const Figures& figures) {
  const http::ServerStats& server = figures.server;
  to.single("loadcore_http_connections_open", Kind::gauge, "Connections that are open.",
            server.open);
  to.single("loadcore_http_connections_accepted_total", Kind::counter, "Connections accepted.",
            server.accepted);
  to.single("loadcore_http_connections_turned_away_total", Kind::counter,
            "Connections beyond a cap, answered 503 and closed.", server.turned_away);
  to.single("loadcore_http_connections_timed_out_total", Kind::counter,
            "Connections closed for being slow; idle ones are not counted.", server.timed_out);
  to.single("loadcore_http_connections_cut_off_total", Kind::counter,
            "Connections that the end of the drain cut off in mid-request.", figures.cut_off);
  to.single("loadcore_http_accept_errors_total", Kind::counter,
            "Times that accepting paused for want of descriptors or memory.", server.accept_errors);
}

void add_likes(Exposition& to, const Figures& figures) {
  to.single("loadcore_users", Kind::gauge, "Users with a like.", figures.store.users);
  to.single("loadcore_likes", Kind::gauge, "Likes of all users.", figures.store.likes);
  to.family("loadcore_additions_total", Kind::counter,
            "Likes asked for, by what became of them; replayed and key_conflict are repeated"
            " Idempotency-Keys.");
  for (std::size_t outcome = 0; outcome < outcome_names.size(); ++outcome) {
    to.sample(figures.outcomes[outcome], {{"outcome", outcome_names[outcome]}});
  }
}

/// Counts by powers of two from 2^`first` to 2^`last`; what is beyond is put together.
void add_powers(Exposition& to, const PowerCounts& powers, std::size_t first, std::size_t last,
                double unit) {
  std::vector<double> bounds;
  for (std::size_t i = first; i <= last; ++i) {
    bounds.push_back(std::ldexp(1.0, static_cast<int>(i)) / unit);
  }
  std::vector<std::uint64_t> counts(bounds.size() + 1);
  for (std::size_t i = 0; i < PowerCounts::size; ++i) {
    counts[std::clamp(i, first, last + 1) - first] +=
        powers.counts[i].load(std::memory_order_relaxed);
  }
  to.histogram(bounds, counts,
               static_cast<double>(powers.sum.load(std::memory_order_relaxed)) / unit);
}

void add_commits(Exposition& to, const BatcherStats& batcher) {
  to.family("loadcore_commit_batch_size", Kind::histogram, "Likes committed at once.");
  add_powers(to, batcher.batch_sizes, 0, 14, 1);
  to.family("loadcore_commit_duration_seconds", Kind::histogram,
            "Time until a batch was as safe as promised: write and sync.");
  add_powers(to, batcher.commit_us, 3, 23, 1e6);
  to.single("loadcore_commit_queue_depth", Kind::gauge, "Likes not yet answered.",
            batcher.waiting.load(std::memory_order_relaxed));
  to.single("loadcore_commit_shed_total", Kind::counter,
            "Likes turned away with 503 since too many waited.",
            batcher.shed.load(std::memory_order_relaxed));
}

void add_data(Exposition& to, const Figures& figures) {
  const DurableStats& durable = *figures.durable;
  to.single("loadcore_idempotency_keys", Kind::gauge, "Idempotency-Keys remembered.", durable.keys);
  to.single("loadcore_idempotency_keys_forgotten_early_total", Kind::counter,
            "Idempotency-Keys forgotten before their time, for want of room.",
            durable.keys_forgotten_early);
  to.single("loadcore_data_frames_total", Kind::counter,
            "Batches in the log since the data directory was made.", durable.sequence);
  to.single("loadcore_data_log_bytes", Kind::gauge, "Log behind the last snapshot.",
            durable.log_bytes);
  to.single("loadcore_data_snapshots_total", Kind::counter, "Snapshots taken.", durable.snapshots);
  to.single("loadcore_data_snapshot_failures_total", Kind::counter,
            "Snapshots that could not be written.", durable.snapshot_failures);
  to.single("loadcore_recovery_frames", Kind::gauge, "Batches read from the log at the start.",
            durable.recovered_frames);
  to.single("loadcore_recovery_torn_bytes", Kind::gauge,
            "Bytes of half a batch that were cut off at the start.", durable.torn_bytes);
  to.single("loadcore_recovery_duration_seconds", Kind::gauge,
            "How long recovering took at the start.", base::seconds(figures.recovery));
}

void add_log(Exposition& to, const LogStats& log) {
  to.single("loadcore_log_lines_total", Kind::counter, "Log lines written.", log.lines);
  to.single("loadcore_log_suppressed_total", Kind::counter,
            "Log lines beyond their kind's rate, counted instead.", log.suppressed);
  to.single("loadcore_log_dropped_total", Kind::counter,
            "Log lines lost because their reader was too slow.", log.dropped);
}

/// Under the names that Prometheus' own clients use.
void add_process(Exposition& to) {
  const ProcessFigures process = process_figures();
  to.single("process_start_time_seconds", Kind::gauge, "Start of the process, since 1970.",
            process.start_unix_s);
  to.single("process_cpu_seconds_total", Kind::counter, "CPU time, user and system.",
            process.cpu_s);
  to.single("process_resident_memory_bytes", Kind::gauge, "Resident memory.",
            process.resident_bytes);
  to.single("process_open_fds", Kind::gauge, "Open file descriptors.", process.descriptors);
  to.single("process_max_fds", Kind::gauge, "The limit on open file descriptors.",
            process.descriptors_max);
}

}  // namespace

std::string metrics_text(const Figures& figures) {
  Exposition exposition;
  add_identity(exposition, figures);
  add_requests(exposition, figures.server);
  add_connections(exposition, figures);
  add_likes(exposition, figures);
  if (figures.batcher != nullptr) add_commits(exposition, *figures.batcher);
  if (figures.durable) add_data(exposition, figures);
  if (figures.log) add_log(exposition, *figures.log);
  add_process(exposition);
  return exposition.text();
}

}  // namespace loadcore::counter
