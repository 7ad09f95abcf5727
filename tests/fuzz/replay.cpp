// Runs a fuzz target without libFuzzer: over every file of a folder, and over that many changes of
// each, the same every time. replay FOLDER [CHANGES]; a target that finds something aborts, after
// the input has been written to fuzz-failure.

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::string current;

extern "C" void keep_input(int) {
  std::ofstream("fuzz-failure", std::ios::binary) << current;
  std::fputs("the input is in fuzz-failure\n", stderr);
}

void run(const std::string& input) {
  current = input;
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

std::vector<std::string> read_corpus(const std::filesystem::path& folder) {
  std::vector<std::string> inputs;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  std::sort(inputs.begin(), inputs.end());  // folders have no order of their own
  return inputs;
}

class Changes {
 public:
  explicit Changes(const std::vector<std::string>& corpus) : corpus_(corpus) {}

  std::string changed(std::string input) {
    for (std::size_t left = below(4) + 1; left > 0; --left) change(input);
    return input;
  }

 private:
  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : random_() % bound; }

  void change(std::string& input) {
    static constexpr char spice[] = "\r\n \t:;,*/%0123456789abcdefGET\0\x7f\x80\xff";
    const std::size_t at = below(input.size() + 1);
    const char byte = spice[below(sizeof spice - 1)];
    switch (below(6)) {
      case 0:
        input.insert(at, 1, byte);
        break;
      case 1:
        if (at < input.size()) input[at] = byte;
        break;
      case 2:
        if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
        break;
      case 3:
        input.erase(at, below(8) + 1);
        break;
      case 4:  // a piece again
        input.insert(below(input.size() + 1), input.substr(at, below(40)));
        break;
      default: {  // a piece of another
        const std::string& other = corpus_[below(corpus_.size())];
        input.insert(at, other.substr(below(other.size() + 1), below(40)));
        break;
      }
    }
  }

  const std::vector<std::string>& corpus_;
  std::mt19937_64 random_{20261121};
};

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::fputs("replay FOLDER [CHANGES]\n", stderr);
    return 2;
  }
  std::signal(SIGABRT, keep_input);
  const std::vector<std::string> corpus = read_corpus(arguments[1]);
  if (corpus.empty()) {
    std::fprintf(stderr, "%s has no files\n", arguments[1]);
    return 2;
  }
  const int changes_each = count > 2 ? std::atoi(arguments[2]) : 2000;
  Changes changes(corpus);
  for (const std::string& input : corpus) {
    run(input);
    for (int i = 0; i < changes_each; ++i) run(changes.changed(input));
  }
  std::printf("%zu inputs and %d changes of each\n", corpus.size(), changes_each);
  return 0;
}
