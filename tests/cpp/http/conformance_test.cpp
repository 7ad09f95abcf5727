// The vectors of tests/conformance/requests.txt, whose head says how they are written, against the
// request reader: whole, in two pieces at every byte, and byte by byte. What routes make of the
// requests is for tests/conformance/test_requests.py.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "loadcore/http/request_reader.hpp"

using loadcore::http::Request;
using loadcore::http::RequestLimits;
using loadcore::http::RequestReader;

namespace {

struct Vector {
  std::string name;
  std::string bytes;
  std::size_t answered = 0;  // requests that a route answers
  int refused = 0;           // the status of what ends the connection
  bool refused_head = false;
  bool keeps = false;
  bool waits = false;
};

std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\') {
      plain += text[at];
      continue;
    }
    const char name = text.at(++at);
    if (name == 'x') {
      plain += static_cast<char>(std::stoi(std::string(text.substr(at + 1, 2)), nullptr, 16));
      at += 2;
    } else if (name == '{') {
      const std::size_t star = text.find('*', at);
      const std::size_t end = text.find('}', star);
      const std::string repeated = unescaped(text.substr(star + 1, end - star - 1));
      for (int left = std::stoi(std::string(text.substr(at + 1, star))); left > 0; --left) {
        plain += repeated;
      }
      at = end;
    } else {
      constexpr std::string_view names = "rnt\\";
      constexpr std::string_view meant = "\r\n\t\\";
      plain += meant.at(names.find(name));
    }
  }
  return plain;
}

Vector header_of(const std::string& line) {
  const std::size_t colon = line.find(": ");
  BOOST_REQUIRE(colon != std::string::npos);
  Vector vector;
  vector.name = line.substr(0, colon);
  std::istringstream words(line.substr(colon + 2));
  for (std::string word; words >> word && word != "likes";) {
    if (word.starts_with('!')) {
      vector.refused_head = word[1] == 'h';
      vector.refused = std::stoi(word.substr(vector.refused_head ? 2 : 1));
    } else if (word == "keep") {
      vector.keeps = true;
    } else if (word == "wait") {
      vector.waits = true;
    } else if (word != "close") {
      ++vector.answered;
    }
  }
  return vector;
}

std::vector<Vector> read_vectors() {
  std::ifstream file(LOADCORE_CONFORMANCE_REQUESTS);
  BOOST_REQUIRE(file.is_open());
  std::vector<Vector> vectors;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.starts_with('#')) continue;
    if (line.starts_with('>') || line.starts_with('=')) {
      if (line.size() > 2) vectors.back().bytes += unescaped(std::string_view(line).substr(2));
      if (line.starts_with('>')) vectors.back().bytes += "\r\n";
    } else {
      vectors.push_back(header_of(line));
    }
  }
  return vectors;
}

/// What a server would do: whole requests, until one is refused or ends the connection.
struct Outcome {
  std::vector<std::string> paths;
  int refused = 0;
  bool refused_head = false;
  bool closed = false;
};

class Connection {
 public:
  void receive(std::string_view piece) {
    for (std::size_t at = 0; at < piece.size() && !outcome_.closed;) {
      BOOST_REQUIRE_LT(size_, buffer_.size());
      const std::size_t part = std::min(piece.size() - at, buffer_.size() - size_);
      piece.copy(buffer_.data() + size_, part, at);
      size_ += part;
      at += part;
      while (size_ > 0 && !outcome_.closed && read()) {
      }
    }
  }

  const Outcome& outcome() const { return outcome_; }

 private:
  bool read() {
    const auto state = reader_.read(buffer_.data(), size_);
    if (state == RequestReader::State::refused) {
      outcome_.refused = reader_.refusal().status;
      outcome_.refused_head = reader_.is_head(buffer_.data());
      outcome_.closed = true;
    } else if (state == RequestReader::State::complete) {
      const Request request = reader_.request(buffer_.data());
      outcome_.paths.emplace_back(request.path);
      outcome_.closed = !request.keep_alive;
      std::memmove(buffer_.data(), buffer_.data() + reader_.consumed(), size_ - reader_.consumed());
      size_ -= reader_.consumed();
      reader_.start();
    }
    return state == RequestReader::State::complete;
  }

  static constexpr RequestLimits limits_{};
  RequestReader reader_{limits_};
  std::vector<char> buffer_ = std::vector<char>(limits_.buffer_bytes());
  std::size_t size_ = 0;
  Outcome outcome_;
};

void check(const Vector& vector, const Outcome& outcome) {
  BOOST_REQUIRE_EQUAL(outcome.refused, vector.refused);
  BOOST_REQUIRE_EQUAL(outcome.refused_head, vector.refused_head);
  BOOST_REQUIRE_EQUAL(outcome.paths.size(), vector.answered + (vector.keeps ? 1 : 0));
  for (const std::string& path : outcome.paths) BOOST_REQUIRE_NE(path, "/v1/smuggled/likes");
  if (vector.keeps) BOOST_REQUIRE_EQUAL(outcome.paths.back(), "/v1/after/likes");
}

const std::string after = "GET /v1/after/likes HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const std::string smuggled = "POST /v1/smuggled/likes HTTP/1.1\r\nHost: a\r\n\r\n";

}  // namespace

BOOST_AUTO_TEST_SUITE(conformance)

BOOST_AUTO_TEST_CASE(every_vector_however_cut) {
  const std::vector<Vector> vectors = read_vectors();
  BOOST_TEST(vectors.size() > 250U);
  for (const Vector& vector : vectors) {
    BOOST_TEST_CONTEXT(vector.name) {
      const std::string all =
          vector.bytes + (vector.keeps ? after : (vector.waits ? "" : smuggled));
      const std::string_view bytes = all;
      const std::size_t step = bytes.size() > 4096 ? 61 : 1;  // of the long ones, places all over
      for (std::size_t cut = 0; cut < bytes.size(); cut += step) {
        Connection connection;
        connection.receive(bytes.substr(0, cut));
        connection.receive(bytes.substr(cut));
        check(vector, connection.outcome());
      }
      Connection connection;
      for (const char& byte : bytes) connection.receive({&byte, 1});
      check(vector, connection.outcome());
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
