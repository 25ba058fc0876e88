// A language model of letters: an LSTM reads a text and learns to say the next letter, then writes
// some itself.
//
//   example_char_rnn [--short] [text file]
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>

#include "trivium/nn.h"

using namespace trivium;      // NOLINT: an example
using namespace trivium::nn;  // NOLINT

const char* const kText =
    "the engine records what a program computes and runs it when somebody looks. a tensor is a "
    "promise; a plan is how promises are kept. what is written once is fast everywhere. ";

struct Model : Module {
  explicit Model(int64_t letters)
      : embed(add("embed", Embedding(letters, 32))),
        lstm(add("lstm", LSTM(32, 64, 2, {.dropout = 0.1}))),
        head(add("head", Linear(64, letters))) {}
  std::pair<Tensor, LSTMState> operator()(const Tensor& x, const LSTMState& before) {
    const LSTMResult out = lstm(embed(x), before);
    return {head(out.output), out.state};
  }
  Embedding embed;
  LSTM lstm;
  Linear head;
};

int main(int argc, char** argv) {
  bool brief = false;
  std::string text = kText;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--short") == 0) {
      brief = true;
    } else {
      std::ifstream in(argv[i]);
      text.assign(std::istreambuf_iterator<char>(in), {});
    }
  }
  start();
  manual_seed(0);
  std::map<char, int64_t> number;
  std::string letters;
  for (const char c : text)
    if (number.emplace(c, static_cast<int64_t>(letters.size())).second) letters += c;
  std::vector<int64_t> codes;
  for (const char c : text) codes.push_back(number[c]);
  const int64_t steps = 24, batch = 8, count = static_cast<int64_t>(codes.size());

  Model model(static_cast<int64_t>(letters.size()));
  optim::Adam adam(model.parameters(), {.lr = 5e-3});
  for (int iteration = 0; iteration < (brief ? 10 : 300); ++iteration) {
    std::vector<int64_t> input, target;
    for (int64_t t = 0; t < steps; ++t)
      for (int64_t b = 0; b < batch; ++b) {
        const int64_t at = (b * count / batch + iteration * steps + t) % count;
        input.push_back(codes[at]);
        target.push_back(codes[(at + 1) % count]);
      }
    const Tensor logits = model(tensor(input, {steps, batch}), {}).first;
    const Tensor loss = cross_entropy(logits.flatten(0, 1), tensor(target, {steps * batch}));
    adam.zero_grad();
    loss.backward();
    utils::clip_grad_norm_(model.parameters(), 1);
    adam.step();
    if (iteration % (brief ? 5 : 50) == 0)
      fmt::print("step {:3} loss {:.4f}\n", iteration, loss.item());
  }

  NoGradGuard no_grad;
  model.eval();
  std::string written = "t";
  LSTMState state;
  for (int i = 0; i < (brief ? 10 : 200); ++i) {
    const auto out = model(tensor(std::vector<int64_t>{number[written.back()]}, {1, 1}), state);
    state = out.second;
    const Tensor chances = (out.first.view({-1}) / 0.5).softmax(0);
    written += letters[static_cast<size_t>(multinomial(chances, 1).item<int64_t>())];
  }
  fmt::print("{}\n", written);
}
