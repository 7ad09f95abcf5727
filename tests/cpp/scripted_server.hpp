#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace loadcore::test {

/// A server on a real socket that does to each connection what a script says, in a thread of its
/// own. For what no well-behaved server would do.
class ScriptedServer {
 public:
  /// One accepted connection. Every call blocks, until the server is closed at the longest.
  class Peer {
   public:
    explicit Peer(int descriptor) : descriptor_(descriptor) {}

    /// Head and body (by Content-Length) of the next request; empty if the client closed.
    std::string read_request();
    /// False once the client is gone.
    bool write(std::string_view bytes);
    /// Reads and forgets until the client closes.
    void wait_for_close();
    void half_close();
    /// Closes with a reset instead of a FIN.
    void reset();

   private:
    bool read_more();

    int descriptor_;
    std::string unread_;
  };
  using Script = std::function<void(Peer&)>;

  enum class Kind : std::uint8_t { ipv4, ipv6, unix_socket };

  /// Listens on a free port of the loopback address, or on a socket file that is new.
  explicit ScriptedServer(Script script, Kind kind = Kind::ipv4);
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  std::string url() const;
  std::uint16_t port() const noexcept { return port_; }
  std::size_t accepted() const;

  /// Refuses new connections and ends those there are. Once, or after open().
  void close();
  /// Listens again on the same address.
  void open();

 private:
  void accept_connections();

  const Script script_;
  const Kind kind_;
  std::string path_;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  std::thread acceptor_;
  mutable std::mutex mutex_;
  bool closing_ = false;
  std::size_t accepted_ = 0;
  std::vector<int> descriptors_;
  std::vector<std::thread> threads_;
};

/// A small answer, with `head` (whole lines) added to its header.
std::string answer(std::string_view body = "ok", std::string_view head = "");

/// The script of a server as it should be: a small answer to every request.
void answer_all(ScriptedServer::Peer& peer);

/// A port of 127.0.0.1 that nobody listens on.
std::uint16_t free_port();

}  // namespace loadcore::test
