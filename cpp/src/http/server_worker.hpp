#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "http/address_counts.hpp"
#include "http/server_connection.hpp"
#include "http/server_output.hpp"
#include "loadcore/base/clock.hpp"
#include "loadcore/http/server.hpp"
#include "loadcore/net/deadline_list.hpp"
#include "loadcore/net/descriptor.hpp"
#include "loadcore/net/poller.hpp"

namespace loadcore::http {

/// One thread of a server: its listener, its connections and its handler. run() is that thread;
/// stop(), wake() and the counters are for any.
class ServerWorker final : public ServerThread {
 public:
  /// `open_in_all` and `by_address` count the connections of all workers. `options` and they must
  /// outlive the worker.
  ServerWorker(const ServerOptions& options, net::Descriptor listener,
               std::atomic<std::uint32_t>& open_in_all, AddressCounts& by_address);

  void set_handler(std::unique_ptr<Handler> handler) { handler_ = std::move(handler); }

  void run();
  void stop(base::TimePoint deadline) noexcept;

  bool answer(Ticket ticket, const Answer& answer) override;
  void wake() noexcept override;
  bool draining() const noexcept override { return draining_; }

  /// Adds this worker's counts.
  void add_to(ServerStats& stats) const;
  std::uint64_t cut_off() const noexcept { return counts_.cut_off.load(std::memory_order_relaxed); }

 private:
  using Slot = std::uint32_t;
  using Count = std::atomic<std::uint64_t>;

  /// Of the poller's events; those of connections are their slots.
  static constexpr std::uint64_t listener_token = net::Poller::wake_token - 1;

  /// The request that is being handled.
  class CurrentExchange final : public Exchange {
   public:
    explicit CurrentExchange(ServerWorker& worker) noexcept : worker_(worker) {}
    void count_as(std::uint8_t route) noexcept override;
    void answer(const Answer& answer) override;
    Ticket defer() override;

    void begin(Slot slot) noexcept {
      slot_ = slot;
      done_ = false;
    }
    void end() noexcept { slot_ = no_slot; }
    void give_up() noexcept { done_ = true; }
    bool done() const noexcept { return done_; }
    Slot slot() const noexcept { return slot_; }

   private:
    static constexpr Slot no_slot = std::numeric_limits<Slot>::max();
    ServerWorker& worker_;
    Slot slot_ = no_slot;
    bool done_ = true;
  };

  static constexpr int status_min = 200;
  static constexpr std::size_t statuses = 400;

  /// An answer that is about to be handed to the kernel.
  struct Handled {
    Slot slot;
    std::uint8_t route;
    base::TimePoint begin;
  };

  /// Written by this thread only, read by any.
  struct Counts {
    Count accepted{0};
    Count turned_away{0};
    Count turned_away_by_address{0};
    Count open{0};
    Count timed_out{0};
    Count accept_errors{0};
    Count cut_off{0};
    std::array<std::array<Count, statuses>, routes_max> answers{};
    std::array<base::SpanTally, routes_max> handling;
  };

  /// For counts that only this thread writes: no locked instruction.
  static void bump(Count& count) noexcept {
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  // server_worker.cpp: the loop, deadlines, the end
  std::optional<base::TimePoint> next_deadline() const noexcept;
  void dispatch(const epoll_event& event);
  void on_event(Slot slot, std::uint32_t bits);
  void resume_connections();
  void expire();
  void enter(Slot slot, Phase phase) noexcept;
  void drain();
  void cut_all();

  // server_accept.cpp: connections come and go
  void accept_some();
  void pause_accepting();
  void turn_away(net::Descriptor socket);
  bool admit(AddressCounts::Client client);
  void open(net::Descriptor socket, AddressCounts::Client client);
  void close(Slot slot) noexcept;

  // server_serving.cpp: from bytes to answers
  void read(Slot slot);
  void discard(Slot slot);
  bool make_room(ServerConnection& connection);
  void serve(Slot slot);
  void serve_buffered(Slot slot, std::size_t mark);
  void handle(Slot slot);
  void fail(Slot slot, std::string_view what);
  void answer_handled(Slot slot, const Answer& answer, std::string_view text);
  void compose(ServerConnection& connection, const Answer& answer);
  void tell_of(const ServerConnection& connection, const Refusal& refusal);
  void refuse(ServerConnection& connection, const Refusal& refusal);
  void say_continue(ServerConnection& connection);
  void resume_later(Slot slot);
  void release_buffer(ServerConnection& connection) noexcept;

  // server_sending.cpp: from answers to the kernel
  bool flush(Slot slot, std::size_t mark);
  void time_handled(Slot slot) noexcept;
  bool send_unsent(Slot slot);
  void settle(Slot slot);
  void close_gently(Slot slot);

  const ServerOptions& options_;
  std::atomic<std::uint32_t>& open_in_all_;
  AddressCounts& by_address_;
  net::Poller poller_;
  net::Descriptor listener_;
  std::deque<ServerConnection> connections_;
  std::vector<Slot> free_;
  std::vector<Slot> resuming_;
  std::vector<Slot> resuming_now_;
  std::array<net::DeadlineList, phases> deadlines_;
  std::vector<std::unique_ptr<char[]>> spare_buffers_;
  std::size_t leased_buffers_ = 0;
  ServerOutput output_;
  std::vector<Handled> handled_;  // in the output; a connection's are together
  base::TimePoint now_{};
  std::optional<base::TimePoint> accept_again_;
  Slot open_ = 0;
  bool draining_ = false;
  std::thread::id thread_;
  std::atomic<bool> wake_pending_{false};
  std::atomic<base::Duration::rep> stop_at_{std::numeric_limits<base::Duration::rep>::max()};
  alignas(64) Counts counts_;
  CurrentExchange exchange_;
  std::unique_ptr<Handler> handler_;  // last: it may use everything above until it is gone
};

}  // namespace loadcore::http
