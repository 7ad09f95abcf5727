#include "client_driver.hpp"

#include <boost/test/unit_test.hpp>
#include <utility>

namespace loadcore::http::test {
namespace {

ClientOptions with_url(ClientOptions options, const std::string& url) {
  options.url = parse_url(url);
  return options;
}

}  // namespace

Client::Client(const std::string& url, ClientOptions options)
    : transport_(make_transport(with_url(std::move(options), url), *this)), thread_([this] {
        {
          std::unique_lock lock(mutex_);
          changed_.wait(lock, [this] { return running_ || ended_; });
        }
        transport_->run();
      }) {}

Client::~Client() {
  {
    const std::scoped_lock lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  transport_->stop();
  thread_.join();
}

void Client::happened(Event event) {
  std::unique_lock lock(mutex_);
  event_ = std::move(event);
  running_ = false;
  changed_.notify_all();
  changed_.wait(lock, [this] { return running_ || ended_; });
}

Event Client::next(base::Duration patience) {
  transport_->set_alarm(transport_->now() + patience);
  std::unique_lock lock(mutex_);
  event_.reset();
  running_ = true;
  changed_.notify_all();
  changed_.wait(lock, [this] { return event_.has_value(); });
  return *event_;
}

Event Client::expect(Event::Kind kind, base::Duration patience) {
  Event event = next(patience);
  BOOST_TEST_CONTEXT("reason: " << event.reason) {
    BOOST_TEST_REQUIRE(static_cast<int>(event.kind) == static_cast<int>(kind));
  }
  return event;
}

void Client::connect(Slot slot) {
  transport_->connect(slot);
  BOOST_TEST(expect(Event::Kind::connected).slot == slot);
}

Response Client::exchange(std::string_view request, Slot slot) {
  transport_->send(slot, request, request.starts_with("HEAD"));
  const Event event = expect(Event::Kind::answered);
  BOOST_TEST(event.slot == slot);
  return event.answer;
}

}  // namespace loadcore::http::test
