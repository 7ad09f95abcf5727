#include "response_streams.hpp"

#include "loadcore/http/response_reader.hpp"

namespace loadcore::http::test {
namespace {

// Why Beast differs, where it does.
constexpr const char* bare_lf = "wants CRLF, where RFC 9112 section 2.2 lets a recipient take LF";
constexpr const char* hole = "misframes before Beast 1.92 (its pull request 3098)";
constexpr const char* unlimited = "has no such limit, or a larger one";
constexpr const char* waits = "judges a line when it is whole";
constexpr const char* strict_status = "wants HTTP/1.0 or 1.1, and a space behind the status";
constexpr const char* any_status = "takes any three digits, and 101 as the protocol's end";
constexpr const char* empty_lines = "takes no empty line before the status line";
constexpr const char* unfolds = "unfolds obs-fold, which a recipient may also refuse";
constexpr const char* every_byte = "checks every byte of a name and of a value, framing or not";
constexpr const char* trailers = "takes trailers for fields that frame the message";
constexpr const char* keep_alive_first =
    "looks for close last in HTTP/1.0; RFC 9112 9.3 does first";

const std::string ok = "HTTP/1.1 200 OK\r\n";
const std::string sized = ok + "Content-Length: 5\r\n";
const std::string chunked = ok + "Transfer-Encoding: chunked\r\n";

std::string repeated(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

/// An answer whose head has exactly `bytes` bytes.
std::string with_head_of(std::size_t bytes) {
  std::string head = "HTTP/1.1 204 No\r\n";
  while (bytes - head.size() - 2 > 1000) head += "A: " + std::string(495, 'a') + "\r\n";
  head += "B: " + std::string(bytes - head.size() - 7, 'b') + "\r\n\r\n";
  return head;
}

void add_bodies(std::vector<Stream>& all) {
  all.insert(all.end(),
             {{"", "idle"},
              {sized + "\r\nhello", "200+ idle"},
              {sized + "\r\nhello" + sized + "\r\nworld", "200+ 200+ idle"},
              {sized + "\r\nhell", "cut"},
              {sized, "cut"},
              {"H", "cut"},
              {sized + "\r\nhello!", "200+ malformed", false, waits},
              {ok + "Content-Length: 0\r\n\r\n", "200+ idle"},
              {ok + "content-LENGTH:5\r\n\r\nhello", "200+ idle"},
              {ok + "Content-Length: \t 5 \t \r\n\r\nhello", "200+ idle"},
              {ok + "Content-Length: 0005\r\n\r\nhello", "200+ idle"},
              {ok + "\r\nuntil the end", "200- closed"},
              {ok + "\r\n", "200- closed"},
              {"HTTP/1.1 204 No Content\r\n\r\n" + ok + "\r\n", "204+ 200- closed"},
              {"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", "204+ idle"},
              {"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", "304+ idle"},
              {"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", "304+ idle"},
              {sized + "\r\n" + sized + "\r\n", "200+ 200+ idle", true},
              {chunked + "\r\n", "200+ idle", true},
              {ok + "\r\n", "200+ idle", true}});
}

void add_chunked(std::vector<Stream>& all) {
  const std::string overflow = chunked + "\r\n10000000000000000\r\n";
  const std::string long_extension(ResponseReader::line_bytes_max, 'e');
  all.insert(all.end(),
             {{chunked + "\r\n5\r\nhello\r\n0\r\n\r\n", "200+ idle"},
              {chunked + "\r\n5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n" + sized + "\r\nhello",
               "200+ 200+ idle"},
              {chunked + "\r\n0\r\n\r\n", "200+ idle"},
              {chunked + "\r\n000\r\n\r\n", "200+ idle"},
              {chunked + "\r\n00000000000000000005\r\nhello\r\n0\r\n\r\n", "200+ idle"},
              {chunked + "\r\nc;a=b;c=\"d\"\r\nhello, world\r\n0;last\r\n\r\n", "200+ idle"},
              {chunked + "\r\n5 ; a=b\r\nhello\r\n0\r\n\r\n", "200+ idle"},
              {chunked + "\r\n5\r\nhello\r\n0\r\nDigest: abc\r\nContent-Length: 7\r\n\r\n",
               "200+ idle", false, trailers},
              {chunked + "\r\n0\r\nContent-Length: x\r\nConnection: close\r\n\r\n", "200+ idle",
               false, trailers},
              {ok + "Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "200+ idle"},
              {ok + "Transfer-Encoding: gzip\r\nTransfer-Encoding: , Chunked ,\r\n\r\n0\r\n\r\n",
               "200+ idle"},
              {chunked + "\r\n5\r\nhell", "cut"},
              {chunked + "\r\n5\r\nhello\r\n0\r\n", "cut"},
              {chunked + "\r\n\r\nhello\r\n0\r\n\r\n", "malformed"},
              {chunked + "\r\n 5\r\nhello\r\n0\r\n\r\n", "malformed"},
              {chunked + "\r\n-5\r\nhello\r\n0\r\n\r\n", "malformed"},
              {chunked + "\r\n0x5\r\nhello\r\n0\r\n\r\n", "malformed"},
              {chunked + "\r\n5 \r\nhello\r\n0\r\n\r\n", "malformed"},
              {chunked + "\r\n5 5\r\nhello\r\n0\r\n\r\n", "malformed"},
              {chunked + "\r\n5\r\nhello0\r\n\r\n", "malformed"},
              {chunked + "\r\n5\r\nhello!\r\n0\r\n\r\n", "malformed"},
              {chunked + "\r\n5\r\nhello\n0\r\n\r\n", "malformed"},
              {chunked + "\r\n5\nhello\r\n0\r\n\r\n", "malformed"},
              {chunked + "\r\n5;" + long_extension + "\r\nhello\r\n0\r\n\r\n", "malformed", false,
               unlimited},
              {chunked + "\r\n5;" + long_extension, "malformed", false, unlimited},
              {chunked + "\r\n5\r\nhello\r\n0\r\nno colon\r\n\r\n", "malformed"},
              {chunked + "\r\n5\r\nhello\r\n0\r\n" + repeated("A: b\r\n", 20'000), "malformed",
               false, unlimited},
              {chunked + "\r\nffffffffffffffff\r\nendless", "cut"},
              {overflow, "malformed"}});
}

void add_framing(std::vector<Stream>& all) {
  all.insert(
      all.end(),
      {{sized + "Content-Length: 5\r\n\r\nhello", "200+ idle"},
       {ok + "Content-Length: 5, 5\r\n\r\nhello", "200+ idle"},
       {sized + "Content-Length: 6\r\n\r\nhello", "malformed"},
       {ok + "Content-Length: 5, 6\r\n\r\nhello", "malformed"},
       {ok + "Content-Length: 5,\r\n\r\nhello", "malformed"},
       {ok + "Content-Length:\r\n\r\n", "malformed"},
       {ok + "Content-Length: -5\r\n\r\nhello", "malformed"},
       {ok + "Content-Length: +5\r\n\r\nhello", "malformed"},
       {ok + "Content-Length: 5 5\r\n\r\nhello", "malformed"},
       {ok + "Content-Length: 0x5\r\n\r\nhello", "malformed"},
       {ok + "Content-Length: 18446744073709551616\r\n\r\nhello", "malformed"},
       {ok + "Content-Length: 99999999999999999999999\r\n\r\nhello", "malformed"},
       {ok + "Content-Length: 9223372036854775807\r\n\r\nhello", "cut"},
       {ok + "Content-Length: " + std::string(300, '0') + "5\r\n\r\nhello", "malformed", false,
        unlimited},
       {ok + "Content-Length:" + std::string(300, ' ') + "5\r\n\r\nhello", "malformed", false,
        unlimited},
       {sized + "Transfer-Encoding:\r\n\r\nhello", "malformed"},
       {sized + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "malformed"},
       {chunked + "Content-Length: 5\r\n\r\n0\r\n\r\n", "malformed"},
       {ok + "Transfer-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", "malformed", false, hole},
       {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "malformed", false, hole},
       {ok + "Transfer-Encoding: gzip\r\n\r\nzipped", "200- closed"},
       {ok + "Transfer-Encoding: identity\r\n\r\nhello", "200- closed"},
       {ok + "Transfer-Encoding:\r\n\r\nhello", "200- closed"},
       {ok + "Transfer-Encoding: xchunked\r\n\r\nhello", "200- closed"},
       {ok + "Transfer-Encoding: chunked, gzip\r\n\r\nzipped", "200- closed"},
       {ok + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "malformed", false, hole},
       {ok + "Transfer-Encoding: chunked, gzip, chunked\r\n\r\n0\r\n\r\n", "malformed", false,
        hole},
       {chunked + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "malformed"},
       {ok + "Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n", "malformed", false, hole},
       {ok + "Transfer-Encoding: a;b=\",chunked\"\r\n\r\n0\r\n\r\n", "malformed", false, hole},
       {ok + "Transfer-Encoding: " + std::string(300, 'x') + "\r\n\r\n", "malformed", false,
        unlimited}});
}

void add_persistence(std::vector<Stream>& all) {
  const std::string old = "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n";
  all.insert(all.end(), {{sized + "Connection: close\r\n\r\nhello", "200- idle"},
                         {sized + "connection: CLOSE\r\n\r\nhello", "200- idle"},
                         {sized + "Connection: keep-alive\r\n\r\nhello", "200+ idle"},
                         {sized + "Connection: keep-alive, close\r\n\r\nhello", "200- idle"},
                         {sized + "Connection: x-a ,close, x-b\r\n\r\nhello", "200- idle"},
                         {sized + "Connection: x-a\r\nConnection: close\r\n\r\nhello", "200- idle"},
                         {sized + "Connection: closed, x-close\r\n\r\nhello", "200+ idle"},
                         {sized + "Connection:\r\n\r\nhello", "200+ idle"},
                         {sized + "Connection: " + std::string(300, 'x') + "\r\n\r\nhello",
                          "malformed", false, unlimited},
                         {sized + "Not-Connection: close\r\n\r\nhello", "200+ idle"},
                         {sized + "Set-Cookie: close\r\n\r\nhello", "200+ idle"},
                         {old + "\r\nhello", "200- idle"},
                         {old + "Connection: Keep-Alive\r\n\r\nhello", "200+ idle"},
                         {old + "Connection: keep-alive, close\r\n\r\nhello", "200- idle", false,
                          keep_alive_first},
                         {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello", "200- closed"},
                         {"HTTP/1.0 204 OK\r\n\r\n", "204- idle"}});
}

void add_interim(std::vector<Stream>& all) {
  const std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
  const std::string hints =
      "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nContent-Length: 9\r\n\r\n";
  const std::string answer = sized + "\r\nhello";
  all.insert(
      all.end(),
      {{go_on + answer, "200+ idle"},
       {go_on + hints + answer + go_on + answer, "200+ 200+ idle"},
       {"HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\n" + answer, "200+ idle"},
       {go_on, "cut"},
       {go_on + answer, "200+ malformed", true, waits},
       {repeated(go_on, ResponseReader::interim_max) + answer, "200+ idle"},
       {repeated(go_on, ResponseReader::interim_max + 1) + answer, "malformed", false, unlimited},
       {"HTTP/1.1 101 Switching Protocols\r\n\r\n", "malformed", false, any_status}});
}

void add_heads(std::vector<Stream>& all) {
  const std::string nul(1, '\0');
  all.insert(
      all.end(),
      {{"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200+ idle"},
       {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200+ idle", false, strict_status},
       {"HTTP/1.1 404 Not here, nor there\r\nContent-Length: 0\r\n\r\n", "404+ idle"},
       {"HTTP/1.1 200 Gr\xc3\xbc\xc3\x9f Gott\r\nContent-Length: 0\r\n\r\n", "200+ idle"},
       {"HTTP/1.1 200 \tOK\r\nContent-Length: 0\r\n\r\n", "200+ idle"},
       {"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", "999+ idle"},
       {"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n", "200+ idle", false, strict_status},
       {"HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n", "malformed", false, any_status},
       {"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", "malformed"},
       {"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", "malformed"},
       {"HTTP/1.1  200 OK\r\n\r\n", "malformed"},
       {"HTTP/2.0 200 OK\r\n\r\n", "malformed"},
       {"HTTP/1.11 200 OK\r\n\r\n", "malformed"},
       {"http/1.1 200 OK\r\n\r\n", "malformed"},
       {"ICY 200 OK\r\n\r\n", "malformed"},
       {"HTTPS", "malformed", false, waits},
       {"HTTP/1.", "cut"},
       {" HTTP/1.1 200 OK\r\n\r\n", "malformed"},
       {"SSH-2.0-OpenSSH_9.2\r\n", "malformed"},
       {"<html>\n", "malformed", false, waits},
       {std::string("\x15\x03\x01\x00\x02\x02\x16", 7), "malformed", false, waits},
       {"\r\n\r\n" + sized + "\r\nhello\r\n" + sized + "\r\nhello", "200+ 200+ idle", false,
        empty_lines},
       {repeated("\r\n", ResponseReader::empty_lines_max) + sized + "\r\nhello", "200+ idle", false,
        empty_lines},
       {repeated("\r\n", ResponseReader::empty_lines_max + 1) + sized + "\r\nhello", "malformed"},
       {"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "200+ idle", false, bare_lf},
       {"HTTP/1.1 200 OK\r\nContent-Length: 5\n\r\nhello", "200+ idle", false, bare_lf},
       {"HTTP/1.1 200 OK\rContent-Length: 5\r\n\r\nhello", "malformed"},
       {ok + "Content-Length: 5\r\r\n\r\nhello", "malformed"},
       {sized + "A: b\rc\r\n\r\nhello", "malformed"},
       {sized + "\rhello", "malformed"},
       {sized + "A: b" + nul + "c\r\n\r\nhello", "malformed"},
       {sized + "A" + nul + ": b\r\n\r\nhello", "malformed"},
       {sized + "A: b\x7f"
                "c\r\n\r\nhello",
        "200+ idle", false, every_byte},
       {sized + "A: b\tc\r\n\r\nhello", "200+ idle"},
       {sized + "A:\r\nB: \r\nC:c\r\n\r\nhello", "200+ idle"},
       {sized + "A: b\r\n folded\r\n\r\nhello", "malformed", false, unfolds},
       {sized + "A: b\r\n\tfolded\r\n\r\nhello", "malformed", false, unfolds},
       {sized + ": b\r\n\r\nhello", "malformed"},
       {sized + "A : b\r\n\r\nhello", "malformed"},
       {sized + "A\t: b\r\n\r\nhello", "malformed"},
       {sized + "A b: c\r\n\r\nhello", "malformed"},
       {sized + "no-colon\r\n\r\nhello", "malformed"},
       {sized + "A(b): c\r\n\r\nhello", "200+ idle", false, every_byte},
       {sized + "A: " + std::string(5000, 'a') + "\r\n\r\nhello", "200+ idle"},
       {sized + std::string(ResponseReader::line_bytes_max - 1, 'a') + ": b\r\n\r\nhello",
        "200+ idle"},
       {sized + std::string(ResponseReader::line_bytes_max, 'a') + ": b\r\n\r\nhello", "malformed",
        false, unlimited},
       {with_head_of(ResponseReader::head_bytes_max), "204+ idle"},
       {with_head_of(ResponseReader::head_bytes_max + 1), "malformed", false, unlimited},
       {ok + repeated("Endless: head\r\n", 10'000), "malformed"},
       {ok + std::string(100'000, 'a'), "malformed"}});
}

}  // namespace

const std::vector<Stream>& streams() {
  static const std::vector<Stream> all = [] {
    std::vector<Stream> made;
    add_bodies(made);
    add_chunked(made);
    add_framing(made);
    add_persistence(made);
    add_interim(made);
    add_heads(made);
    return made;
  }();
  return all;
}

}  // namespace loadcore::http::test
