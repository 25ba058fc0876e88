// Recurrent layers and cells, and the packed sequences they also take. Gates are stacked as i, f,
// g, o (LSTM) and r, z, n (GRU); the reset gate acts after the hidden product.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "trivium/notations/nn/functional.h"
#include "trivium/notations/nn/module.h"

namespace trivium::nn {

/// Sequences of different lengths without padding: at step t the first batch_sizes[t] sequences are
/// running, and their rows lie behind one another in data.
struct PackedSequence {
  Tensor data;                       // [sum of lengths, features…]
  std::vector<int64_t> batch_sizes;  // not increasing
  /// Which sequence of the batch each one is, longest first; and back. Empty: they were sorted.
  std::vector<int64_t> sorted_indices, unsorted_indices;
};

struct RNNOptions {
  int64_t input = 0, hidden = 0;
  int64_t num_layers = 1;
  bool bias = true;
  bool batch_first = false;
  double dropout = 0;
  bool bidirectional = false;
  int64_t proj_size = 0;              // LSTM only
  std::string nonlinearity = "tanh";  // RNN only: tanh or relu
  std::optional<DType> dtype{};
};

/// Hidden state and cell of an LSTM: [layers*directions, N, hidden (or proj_size)] and
/// [layers*directions, N, hidden]. Undefined tensors mean zeros.
struct LSTMState {
  Tensor h, c;
};

/// output [T, N, directions*hidden] and the last state.
struct LSTMResult {
  Tensor output;
  LSTMState state;
};
struct RNNResult {
  Tensor output, h;
};
struct PackedLSTMResult {
  PackedSequence output;
  LSTMState state;
};
struct PackedRNNResult {
  PackedSequence output;
  Tensor h;
};

/// What the recurrent layers share: weights, layers, directions.
class RNNBase : public Module {
 public:
  std::string extra_repr() const override;
  /// Kept for programs that call it; there is nothing to do.
  void flatten_parameters() {}
  RNNOptions options;

 protected:
  enum class Cell { rnn, lstm, gru };
  RNNBase(Cell cell, const RNNOptions& options);
  struct Weights {
    Tensor *w_ih, *w_hh, *b_ih, *b_hh, *w_hr;
  };
  struct Steps {
    Tensor data;                       // [rows, features]
    std::vector<int64_t> batch_sizes;  // rows of each step
  };
  /// All layers over the rows; `state` is replaced by the last one.
  Tensor run_layers(Steps steps, LSTMState& state);
  Tensor run_direction(const Steps& steps, const Weights& w, bool reverse, LSTMState& state);
  LSTMState cell(const Tensor& gates, const LSTMState& before, const Weights& w) const;
  LSTMState initial_state(const LSTMState& given, const Tensor& like, int64_t batch,
                          bool batched) const;
  Tensor run_tensor(const Tensor& x, const LSTMState& given, LSTMState& last);
  PackedSequence run_packed(const PackedSequence& x, const LSTMState& given, LSTMState& last);
  RNNResult call_plain(const Tensor& x, const Tensor& h);
  PackedRNNResult call_plain(const PackedSequence& x, const Tensor& h);
  int directions() const { return options.bidirectional ? 2 : 1; }
  int64_t output_width() const { return options.proj_size ? options.proj_size : options.hidden; }

  Cell cell_;
  std::vector<Weights> weights_;  // layer * directions + direction
};

/// x [T, N, input] ([N, T, input] with batch_first, or [T, input]); auto [out, state] = lstm(x).
class LSTM : public RNNBase {
 public:
  explicit LSTM(const RNNOptions& options) : RNNBase(Cell::lstm, options) {}
  LSTM(int64_t input, int64_t hidden, int64_t num_layers = 1, RNNOptions rest = {});
  LSTMResult operator()(const Tensor& x, const LSTMState& state = {});
  PackedLSTMResult operator()(const PackedSequence& x, const LSTMState& state = {});
};
class GRU : public RNNBase {
 public:
  explicit GRU(const RNNOptions& options) : RNNBase(Cell::gru, options) {}
  GRU(int64_t input, int64_t hidden, int64_t num_layers = 1, RNNOptions rest = {});
  RNNResult operator()(const Tensor& x, const Tensor& h = {}) { return call_plain(x, h); }
  PackedRNNResult operator()(const PackedSequence& x, const Tensor& h = {}) {
    return call_plain(x, h);
  }
};
class RNN : public RNNBase {
 public:
  explicit RNN(const RNNOptions& options) : RNNBase(Cell::rnn, options) {}
  RNN(int64_t input, int64_t hidden, int64_t num_layers = 1, RNNOptions rest = {});
  RNNResult operator()(const Tensor& x, const Tensor& h = {}) { return call_plain(x, h); }
  PackedRNNResult operator()(const PackedSequence& x, const Tensor& h = {}) {
    return call_plain(x, h);
  }
};

/// One step: x [N, input] or [input].
class RNNCellBase : public Module {
 public:
  std::string extra_repr() const override;
  int64_t input, hidden;
  Tensor& weight_ih;
  Tensor& weight_hh;
  Tensor& bias_ih;
  Tensor& bias_hh;

 protected:
  RNNCellBase(int64_t input, int64_t hidden, int gates, bool bias, std::optional<DType> dtype);
  Tensor state_or_zeros(const Tensor& h, const Tensor& x) const;
};
class RNNCell : public RNNCellBase {
 public:
  RNNCell(int64_t input, int64_t hidden, bool bias = true, const std::string& nonlinearity = "tanh",
          std::optional<DType> dtype = {});
  Tensor operator()(const Tensor& x, const Tensor& h = {});

 private:
  bool relu_;
};
class LSTMCell : public RNNCellBase {
 public:
  LSTMCell(int64_t input, int64_t hidden, bool bias = true, std::optional<DType> dtype = {})
      : RNNCellBase(input, hidden, 4, bias, dtype) {}
  LSTMState operator()(const Tensor& x, const LSTMState& state = {});
};
class GRUCell : public RNNCellBase {
 public:
  GRUCell(int64_t input, int64_t hidden, bool bias = true, std::optional<DType> dtype = {})
      : RNNCellBase(input, hidden, 3, bias, dtype) {}
  Tensor operator()(const Tensor& x, const Tensor& h = {});
};

namespace utils::rnn {

/// x [T, N, …] ([N, T, …] with batch_first). Lengths must not increase unless enforce_sorted is
/// false; UserError otherwise, or when one is not in [1, T].
PackedSequence pack_padded_sequence(const Tensor& x, const std::vector<int64_t>& lengths,
                                    bool batch_first = false, bool enforce_sorted = true);
struct Padded {
  Tensor data;
  std::vector<int64_t> lengths;
};
/// The way back, in the order the sequences had; ValueError when total_length is too short.
Padded pad_packed_sequence(const PackedSequence& packed, bool batch_first = false,
                           double padding_value = 0, std::optional<int64_t> total_length = {});
/// [T_i, …] tensors side by side: [T, N, …] with T the longest. padding_side "right" or "left".
Tensor pad_sequence(const Tensors& sequences, bool batch_first = false, double padding_value = 0,
                    const std::string& padding_side = "right");
PackedSequence pack_sequence(const Tensors& sequences, bool enforce_sorted = true);

}  // namespace utils::rnn
}  // namespace trivium::nn
