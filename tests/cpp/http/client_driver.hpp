#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "loadcore/http/client.hpp"

namespace loadcore::http::test {

struct Event {
  enum class Kind : std::uint8_t { connected, connect_failed, answered, failed, closed, alarm };
  Kind kind = Kind::alarm;
  Slot slot = 0;
  std::string reason{};  ///< of connect_failed
  Response answer{};
  Failure failure{};
  std::uint64_t bytes = 0;  ///< of failed
};

/// The real transport, driven in a straight line: next() lets it run up to its next event and no
/// further, so that whatever the test does in between it does, as the seam wants it, on behalf of
/// the one user and never at the same time as an event.
class Client final : public ClientEvents {
 public:
  explicit Client(const std::string& url, ClientOptions options = {});
  ~Client() override;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// The next event; `alarm` if there is none within `patience`.
  Event next(base::Duration patience = std::chrono::seconds(20));
  /// next(), which has to be of that kind.
  Event expect(Event::Kind kind, base::Duration patience = std::chrono::seconds(20));

  /// Connects, which has to succeed.
  void connect(Slot slot = 0);
  /// Sends and waits for the answer, which has to come.
  Response exchange(std::string_view request, Slot slot = 0);

  ClientTransport& transport() noexcept { return *transport_; }

  void connected(Slot slot) override { happened({.kind = Event::Kind::connected, .slot = slot}); }
  void connect_failed(Slot slot, std::string_view reason) override {
    happened({.kind = Event::Kind::connect_failed, .slot = slot, .reason = std::string(reason)});
  }
  void answered(Slot slot, const Response& answer) override {
    happened({.kind = Event::Kind::answered, .slot = slot, .answer = answer});
  }
  void failed(Slot slot, Failure failure, std::uint64_t bytes_received) override {
    happened(
        {.kind = Event::Kind::failed, .slot = slot, .failure = failure, .bytes = bytes_received});
  }
  void closed(Slot slot) override { happened({.kind = Event::Kind::closed, .slot = slot}); }
  void alarm() override { happened({.kind = Event::Kind::alarm}); }

 private:
  void happened(Event event);

  std::unique_ptr<ClientTransport> transport_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Event> event_;
  bool running_ = false;  // whose turn it is: the transport's, or the test's
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace loadcore::http::test
