#include "loadcore/net/poller.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string>
#include <system_error>

#include "loadcore/base/error.hpp"

namespace loadcore::net {
namespace {

bool control(const Descriptor& epoll, int operation, int descriptor, std::uint32_t events,
             std::uint64_t token) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = token;
  return ::epoll_ctl(epoll.number(), operation, descriptor, &event) == 0;
}

int timeout_ms(std::optional<base::TimePoint> deadline) noexcept {
  if (!deadline) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - base::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX));
}

}  // namespace

Poller::Poller()
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)), waker_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  // Edge-triggered, so that nobody has to read the eventfd: every write is an event.
  if (!epoll_ || !waker_ ||
      !control(epoll_, EPOLL_CTL_ADD, waker_.number(), EPOLLIN | EPOLLET, wake_token)) {
    throw base::RunError("cannot wait for connections (" + std::generic_category().message(errno) +
                         "): raise the limit on open files (ulimit -n)");
  }
}

bool Poller::add(int descriptor, std::uint64_t token) noexcept {
  return control(epoll_, EPOLL_CTL_ADD, descriptor, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                 token);
}

bool Poller::add_listener(int descriptor, std::uint64_t token) noexcept {
  return control(epoll_, EPOLL_CTL_ADD, descriptor, EPOLLIN, token);
}

void Poller::set_listening(int descriptor, std::uint64_t token, bool listening) noexcept {
  control(epoll_, EPOLL_CTL_MOD, descriptor, listening ? EPOLLIN : 0U, token);
}

std::span<const epoll_event> Poller::wait(std::optional<base::TimePoint> deadline) noexcept {
  const int count = ::epoll_wait(epoll_.number(), events_.data(), static_cast<int>(events_.size()),
                                 timeout_ms(deadline));
  return {events_.data(), static_cast<std::size_t>(std::max(count, 0))};
}

void Poller::wake() noexcept {
  const std::uint64_t one = 1;
  // Fails only where the count would overflow, and then an event is due already.
  [[maybe_unused]] const auto written = ::write(waker_.number(), &one, sizeof one);
}

}  // namespace loadcore::net
