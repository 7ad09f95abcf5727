// A service with everything on at once, for the sanitizers above all: likes that wait for a disk,
// requests that are logged, figures that are read all the time.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "loadcore/counter/service.hpp"

using namespace std::chrono_literals;
using loadcore::counter::AdminOptions;
using loadcore::counter::Durability;
using loadcore::counter::LogDetail;
using loadcore::counter::Service;
using loadcore::counter::ServiceOptions;

namespace {

/// A file limit of this process, the last figure there is.
const std::string last_metric = "\nprocess_max_fds " + [] {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return std::to_string(limit.rlim_cur);
}() + "\n";

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "loadcore-XXXXXX").string();
    BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Reads a pipe to its end and counts the lines that hold a text.
class LineCounter {
 public:
  explicit LineCounter(std::string text) : text_(std::move(text)) {
    BOOST_REQUIRE(::pipe2(ends_.data(), O_CLOEXEC) == 0);
    thread_ = std::thread([this] { read(); });
  }
  int writer() const { return ends_[1]; }
  int finish() {
    ::close(ends_[1]);
    thread_.join();
    ::close(ends_[0]);
    return lines_;
  }

 private:
  void read() {
    std::string line;
    char byte;
    while (::read(ends_[0], &byte, 1) == 1) {
      line += byte;
      if (byte != '\n') continue;
      lines_ += line.find(text_) != std::string::npos;
      line.clear();
    }
  }

  const std::string text_;
  std::array<int, 2> ends_{};
  int lines_ = 0;
  std::thread thread_;
};

/// A blocking client on one connection; of any thread, so it checks nothing itself.
class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{10, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    [[maybe_unused]] const int outcome =
        ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  ~Client() { ::close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// The answer up to `end`, or as much of it as came.
  std::string ask(const std::string& method, const std::string& path, std::string_view end) {
    const std::string request = method + " " + path + " HTTP/1.1\r\nHost: a\r\n\r\n";
    if (::send(socket_, request.data(), request.size(), MSG_NOSIGNAL) < 0) return {};
    std::string answer;
    char byte;
    while (!answer.ends_with(end) && ::recv(socket_, &byte, 1, 0) == 1) answer += byte;
    return answer;
  }

 private:
  int socket_;
};

std::string scrape(const Service& service) {
  const std::string url = service.admin_url();
  Client admin(static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
  return admin.ask("GET", "/metrics", last_metric);
}

/// How many likes were answered 200.
int like(const Service& service, int user, int likes) {
  Client client(service.port());
  int liked = 0;
  for (int i = 0; i < likes; ++i) {
    const std::string path = "/v1/user-" + std::to_string(user) + "/likes";
    liked += client.ask("POST", path, "}").starts_with("HTTP/1.1 200 ");
  }
  return liked;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(operations)

BOOST_AUTO_TEST_CASE(figures_and_log_agree_with_what_clients_did) {
  constexpr int clients = 4;
  constexpr int likes_each = 50;
  Folder folder;
  LineCounter requests(R"("event": "request")");
  {
    ServiceOptions options;
    options.server.threads = 2;
    options.data_directory = folder.path() / "data";
    options.durability = Durability::os;
    options.snapshot_log_bytes = 1000;
    options.admin = AdminOptions();
    options.log = LogDetail::requests;
    options.log_descriptor = requests.writer();
    Service service(options);

    std::atomic<bool> done{false};
    std::atomic<int> cut_short{0};
    std::thread scraper([&] {
      while (!done) cut_short += !scrape(service).ends_with(last_metric);
    });
    std::atomic<int> liked{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < clients; ++i) {
      threads.emplace_back([&, i] { liked += like(service, i, likes_each); });
    }
    for (std::thread& thread : threads) thread.join();
    done = true;
    scraper.join();
    BOOST_TEST(liked == clients * likes_each);
    BOOST_TEST(cut_short == 0);

    const std::string metrics = scrape(service);
    const auto has = [&metrics](const std::string& line) {
      return metrics.find("\n" + line + "\n") != std::string::npos;
    };
    BOOST_TEST(has(R"(loadcore_http_requests_total{route="post_likes",status="200"} 200)"));
    BOOST_TEST(has(R"(loadcore_additions_total{outcome="counted"} 200)"));
    BOOST_TEST(has("loadcore_commit_batch_size_sum 200"));
    BOOST_TEST(has("loadcore_commit_queue_depth 0"));
    BOOST_TEST(has("loadcore_users 4"));
    service.stop(1s);
    BOOST_TEST(service.wait_stopped(5s));
  }
  BOOST_TEST(requests.finish() == clients * likes_each);
}

BOOST_AUTO_TEST_CASE(a_service_without_either_has_neither) {
  LineCounter lines("");
  {
    ServiceOptions options;
    options.log_descriptor = lines.writer();
    Service service(options);
    BOOST_TEST(service.admin_url() == "");
    BOOST_TEST(like(service, 1, 2) == 2);
    BOOST_TEST(Client(service.port()).ask("GET", "/metrics", "}").starts_with("HTTP/1.1 404 "));
  }
  BOOST_TEST(lines.finish() == 0);
}

BOOST_AUTO_TEST_SUITE_END()
