// Recurrent layers. The products with the input are one matmul for all steps; each step adds the
// product with the state. Packed and plain input run the same code: a plain batch is a packed one
// whose sequences are all as long.
#include "trivium/notations/nn/rnn.h"

#include <cmath>

#include "trivium/notations/nn/creation.h"
#include "trivium/notations/nn/init.h"

namespace trivium::nn {

namespace F = functional;

namespace {

RNNOptions sized(RNNOptions o, int64_t input, int64_t hidden, int64_t layers) {
  o.input = input;
  o.hidden = hidden;
  o.num_layers = layers;
  return o;
}

Tensor lstm_part(const Tensor& gates, int64_t index, int64_t hidden) {
  return gates.narrow(-1, index * hidden, hidden);
}

/// i, f, g, o from the summed gates [N, 4 hidden] and the cell before.
LSTMState lstm_step(const Tensor& gates, const Tensor& c, int64_t hidden) {
  const Tensor i = lstm_part(gates, 0, hidden).sigmoid();
  const Tensor f = lstm_part(gates, 1, hidden).sigmoid();
  const Tensor g = lstm_part(gates, 2, hidden).tanh();
  const Tensor o = lstm_part(gates, 3, hidden).sigmoid();
  const Tensor next = f * c + i * g;
  return {o * next.tanh(), next};
}

/// r, z, n from the products with the input and with the state, [N, 3 hidden] each.
Tensor gru_step(const Tensor& from_x, const Tensor& from_h, const Tensor& h, int64_t hidden) {
  const auto part = [hidden](const Tensor& t, int64_t i) { return lstm_part(t, i, hidden); };
  const Tensor r = (part(from_x, 0) + part(from_h, 0)).sigmoid();
  const Tensor z = (part(from_x, 1) + part(from_h, 1)).sigmoid();
  const Tensor n = (part(from_x, 2) + r * part(from_h, 2)).tanh();
  return (h - n) * z + n;
}

Tensor reordered(const Tensor& state, const std::vector<int64_t>& order) {
  if (order.empty() || !state.defined()) return state;
  const auto n = static_cast<int64_t>(order.size());
  return state.index_select(1, tensor(order, {n}));
}

}  // namespace

RNNBase::RNNBase(Cell cell, const RNNOptions& o) : options(o), cell_(cell) {
  if (o.hidden <= 0) raise<ValueError>("{}: hidden_size must be positive", "RNN");
  if (o.num_layers <= 0) raise<ValueError>("{}: num_layers must be positive", "RNN");
  if (!(o.dropout >= 0 && o.dropout <= 1))
    raise<ValueError>("RNN: expected a dropout in [0, 1], received {}", o.dropout);
  if (o.proj_size != 0 && cell != Cell::lstm)
    raise<ValueError>("RNN: proj_size is for LSTM only, received {}", o.proj_size);
  if (o.proj_size < 0 || o.proj_size >= o.hidden)
    raise<ValueError>("LSTM: proj_size must be in [0, hidden), received {}", o.proj_size);
  if (cell == Cell::rnn && o.nonlinearity != "tanh" && o.nonlinearity != "relu")
    raise<ValueError>("RNN: nonlinearity must be tanh or relu, received '{}'", o.nonlinearity);
  const int64_t rows = (cell == Cell::lstm ? 4 : cell == Cell::gru ? 3 : 1) * o.hidden;
  const TensorOptions as{.dtype = o.dtype};
  for (int64_t layer = 0; layer < o.num_layers; ++layer) {
    for (int d = 0; d < directions(); ++d) {
      const std::string end = fmt::format("_l{}{}", layer, d ? "_reverse" : "");
      const int64_t in = layer == 0 ? o.input : output_width() * directions();
      Weights w{};
      w.w_ih = &parameter("weight_ih" + end, empty({rows, in}, as));
      w.w_hh = &parameter("weight_hh" + end, empty({rows, output_width()}, as));
      if (o.bias) {
        w.b_ih = &parameter("bias_ih" + end, empty({rows}, as));
        w.b_hh = &parameter("bias_hh" + end, empty({rows}, as));
      }
      if (o.proj_size) w.w_hr = &parameter("weight_hr" + end, empty({o.proj_size, o.hidden}, as));
      weights_.push_back(w);
    }
  }
  const double bound = 1 / std::sqrt(static_cast<double>(o.hidden));
  for (const Tensor& p : parameters()) init::uniform_(p, -bound, bound);
}

std::string RNNBase::extra_repr() const {
  const RNNOptions& o = options;
  std::string out = fmt::format("{}, {}", o.input, o.hidden);
  if (o.proj_size) out += fmt::format(", proj_size={}", o.proj_size);
  if (o.num_layers != 1) out += fmt::format(", num_layers={}", o.num_layers);
  if (!o.bias) out += ", bias=False";
  if (o.batch_first) out += ", batch_first=True";
  if (o.dropout != 0) out += ", dropout=" + python_text(o.dropout);
  if (o.bidirectional) out += ", bidirectional=True";
  return out;
}

LSTMState RNNBase::cell(const Tensor& from_x, const LSTMState& before, const Weights& w) const {
  const Tensor none;
  const Tensor from_h = F::linear(before.h, *w.w_hh, w.b_hh ? *w.b_hh : none);
  if (cell_ == Cell::gru) return {gru_step(from_x, from_h, before.h, options.hidden), {}};
  if (cell_ == Cell::rnn) {
    const Tensor sum = from_x + from_h;
    return {options.nonlinearity == "relu" ? sum.relu() : sum.tanh(), {}};
  }
  LSTMState next = lstm_step(from_x + from_h, before.c, options.hidden);
  if (w.w_hr) next.h = F::linear(next.h, *w.w_hr);
  return next;
}

namespace {

LSTMState rows_of(const LSTMState& s, int64_t begin, int64_t end) {
  return {s.h.narrow(0, begin, end - begin),
          s.c.defined() ? s.c.narrow(0, begin, end - begin) : Tensor()};
}

LSTMState behind(const LSTMState& a, const LSTMState& b) {
  return {cat({a.h, b.h}), a.c.defined() ? cat({a.c, b.c}) : Tensor()};
}

}  // namespace

Tensor RNNBase::run_direction(const Steps& steps, const Weights& w, bool reverse,
                              LSTMState& state) {
  const Tensor from_x = F::linear(steps.data, *w.w_ih, w.b_ih ? *w.b_ih : Tensor());
  const auto count = static_cast<int64_t>(steps.batch_sizes.size());
  std::vector<int64_t> first(count, 0);
  for (int64_t t = 1; t < count; ++t) first[t] = first[t - 1] + steps.batch_sizes[t - 1];
  Tensors outputs(count);
  const LSTMState initial = state;
  int64_t running = reverse ? steps.batch_sizes.back() : steps.batch_sizes.front();
  LSTMState now = running == initial.h.size(0) ? initial : rows_of(initial, 0, running);
  std::vector<LSTMState> ended;  // states of sequences that are over, the shortest first
  for (int64_t i = 0; i < count; ++i) {
    const int64_t t = reverse ? count - 1 - i : i, rows = steps.batch_sizes[t];
    if (rows < running) {
      ended.push_back(rows_of(now, rows, running));
      now = rows_of(now, 0, rows);
    } else if (rows > running) {  // sequences that end here begin, seen from the end
      now = behind(now, rows_of(initial, running, rows));
    }
    running = rows;
    now = cell(from_x.narrow(0, first[t], rows), now, w);
    outputs[t] = now.h;
  }
  for (auto over = ended.rbegin(); over != ended.rend(); ++over) now = behind(now, *over);
  state = now;
  return cat(outputs);
}

Tensor RNNBase::run_layers(Steps steps, LSTMState& state) {
  Tensors last_h, last_c;
  for (int64_t layer = 0; layer < options.num_layers; ++layer) {
    Tensors outputs;
    for (int d = 0; d < directions(); ++d) {
      const int64_t at = layer * directions() + d;
      LSTMState here{state.h.select(0, at), state.c.defined() ? state.c.select(0, at) : Tensor()};
      outputs.push_back(run_direction(steps, weights_[at], d == 1, here));
      last_h.push_back(here.h);
      if (here.c.defined()) last_c.push_back(here.c);
    }
    steps.data = outputs.size() == 1 ? outputs[0] : cat(outputs, -1);
    if (options.dropout > 0 && is_training() && layer + 1 < options.num_layers)
      steps.data = F::dropout(steps.data, options.dropout, true);
  }
  state.h = stack(last_h);
  state.c = last_c.empty() ? Tensor() : stack(last_c);
  return steps.data;
}

LSTMState RNNBase::initial_state(const LSTMState& given, const Tensor& like, int64_t batch,
                                 bool batched) const {
  const int64_t layers = options.num_layers * directions();
  const auto one = [&](const Tensor& t, int64_t width, const char* what) {
    if (!t.defined()) return zeros({layers, batch, width}, {.dtype = like.dtype()});
    const Tensor full = batched ? t : t.unsqueeze(1);
    if (full.shape() != Dims{layers, batch, width}.shape())
      user_error("{}: expected {} of shape {}, received {}", type_name(), what,
                 Dims{layers, batch, width}.text(), t.shape().text());
    return full;
  };
  LSTMState out;
  out.h = one(given.h, output_width(), "h_0");
  if (cell_ == Cell::lstm) out.c = one(given.c, options.hidden, "c_0");
  return out;
}

Tensor RNNBase::run_tensor(const Tensor& x, const LSTMState& given, LSTMState& last) {
  if (x.dim() != 2 && x.dim() != 3)
    user_error("{}: expected input of 2 or 3 axes, received {}", type_name(), x.shape().text());
  if (x.size(-1) != options.input)
    user_error("{}: expected {} input features, received {}", type_name(), options.input,
               x.shape().text());
  const bool batched = x.dim() == 3;
  Tensor by_time = !batched ? x.unsqueeze(1) : options.batch_first ? x.transpose(0, 1) : x;
  const int64_t steps = by_time.size(0), batch = by_time.size(1);
  if (steps == 0) user_error("{}: expected at least one step, received none", type_name());
  last = initial_state(given, x, batch, batched);
  const Tensor rows = run_layers(
      {by_time.reshape({steps * batch, options.input}), std::vector<int64_t>(steps, batch)}, last);
  Tensor out = rows.reshape({steps, batch, output_width() * directions()});
  if (batched) return options.batch_first ? out.transpose(0, 1) : out;
  last.h = last.h.squeeze(1);
  if (last.c.defined()) last.c = last.c.squeeze(1);
  return out.squeeze(1);
}

PackedSequence RNNBase::run_packed(const PackedSequence& x, const LSTMState& given,
                                   LSTMState& last) {
  const LSTMState sorted{reordered(given.h, x.sorted_indices),
                         reordered(given.c, x.sorted_indices)};
  last = initial_state(sorted, x.data, x.batch_sizes.front(), true);
  PackedSequence out = x;
  out.data = run_layers({x.data, x.batch_sizes}, last);
  last.h = reordered(last.h, x.unsorted_indices);
  last.c = reordered(last.c, x.unsorted_indices);
  return out;
}

LSTM::LSTM(int64_t input, int64_t hidden, int64_t layers, RNNOptions rest)
    : LSTM(sized(rest, input, hidden, layers)) {}
GRU::GRU(int64_t input, int64_t hidden, int64_t layers, RNNOptions rest)
    : GRU(sized(rest, input, hidden, layers)) {}
RNN::RNN(int64_t input, int64_t hidden, int64_t layers, RNNOptions rest)
    : RNN(sized(rest, input, hidden, layers)) {}

LSTMResult LSTM::operator()(const Tensor& x, const LSTMState& state) {
  const Tensors out = run({x, state.h, state.c}, [this](const Tensors& a) {
    LSTMState last;
    const Tensor y = run_tensor(a[0], {a[1], a[2]}, last);
    return Tensors{y, last.h, last.c};
  });
  return {out[0], {out[1], out[2]}};
}

PackedLSTMResult LSTM::operator()(const PackedSequence& x, const LSTMState& state) {
  PackedLSTMResult out;
  out.output = run_packed(x, state, out.state);
  return out;
}

RNNResult RNNBase::call_plain(const Tensor& x, const Tensor& h) {
  const Tensors out = run({x, h}, [this](const Tensors& a) {
    LSTMState last;
    const Tensor y = run_tensor(a[0], {a[1], {}}, last);
    return Tensors{y, last.h};
  });
  return {out[0], out[1]};
}

PackedRNNResult RNNBase::call_plain(const PackedSequence& x, const Tensor& h) {
  LSTMState last;
  const PackedSequence y = run_packed(x, {h, {}}, last);
  return {y, last.h};
}

// ---- cells

RNNCellBase::RNNCellBase(int64_t input, int64_t hidden, int gates, bool bias,
                         std::optional<DType> dtype)
    : input(input),
      hidden(hidden),
      weight_ih(parameter("weight_ih", empty({gates * hidden, input}, {.dtype = dtype}))),
      weight_hh(parameter("weight_hh", empty({gates * hidden, hidden}, {.dtype = dtype}))),
      bias_ih(parameter("bias_ih", bias ? empty({gates * hidden}, {.dtype = dtype}) : Tensor())),
      bias_hh(parameter("bias_hh", bias ? empty({gates * hidden}, {.dtype = dtype}) : Tensor())) {
  const double bound = hidden > 0 ? 1 / std::sqrt(static_cast<double>(hidden)) : 0;
  for (const Tensor& p : parameters()) init::uniform_(p, -bound, bound);
}

std::string RNNCellBase::extra_repr() const {
  return fmt::format("{}, {}{}", input, hidden, bias_ih.defined() ? "" : ", bias=False");
}

Tensor RNNCellBase::state_or_zeros(const Tensor& h, const Tensor& x) const {
  if (x.dim() != 1 && x.dim() != 2)
    user_error("{}: expected input of 1 or 2 axes, received {}", type_name(), x.shape().text());
  const Dims expected = x.dim() == 2 ? Dims{x.size(0), hidden} : Dims{hidden};
  if (!h.defined()) return zeros(expected, {.dtype = x.dtype()});
  if (h.shape() != expected.shape())
    user_error("{}: expected a state of shape {}, received {}", type_name(), expected.text(),
               h.shape().text());
  return h;
}

RNNCell::RNNCell(int64_t input, int64_t hidden, bool bias, const std::string& nonlinearity,
                 std::optional<DType> dtype)
    : RNNCellBase(input, hidden, 1, bias, dtype), relu_(nonlinearity == "relu") {
  if (!relu_ && nonlinearity != "tanh")
    raise<ValueError>("RNNCell: nonlinearity must be tanh or relu, received '{}'", nonlinearity);
}

Tensor RNNCell::operator()(const Tensor& x, const Tensor& h) {
  return run({x, h}, [this](const Tensors& a) {
    const Tensor before = state_or_zeros(a[1], a[0]);
    const Tensor sum = F::linear(a[0], weight_ih, bias_ih) + F::linear(before, weight_hh, bias_hh);
    return Tensors{relu_ ? sum.relu() : sum.tanh()};
  })[0];
}

LSTMState LSTMCell::operator()(const Tensor& x, const LSTMState& state) {
  const Tensors out = run({x, state.h, state.c}, [this](const Tensors& a) {
    const Tensor h = state_or_zeros(a[1], a[0]), c = state_or_zeros(a[2], a[0]);
    const LSTMState next = lstm_step(
        F::linear(a[0], weight_ih, bias_ih) + F::linear(h, weight_hh, bias_hh), c, hidden);
    return Tensors{next.h, next.c};
  });
  return {out[0], out[1]};
}

Tensor GRUCell::operator()(const Tensor& x, const Tensor& h) {
  return run({x, h}, [this](const Tensors& a) {
    const Tensor before = state_or_zeros(a[1], a[0]);
    return Tensors{gru_step(F::linear(a[0], weight_ih, bias_ih),
                            F::linear(before, weight_hh, bias_hh), before, hidden)};
  })[0];
}

}  // namespace trivium::nn
