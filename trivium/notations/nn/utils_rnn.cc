// Packing and padding of sequences: one gather by row numbers worked out on the host.
#include <algorithm>
#include <numeric>

#include "trivium/notations/nn/creation.h"
#include "trivium/notations/nn/rnn.h"

namespace trivium::nn::utils::rnn {

namespace {

Tensor rows_tensor(const std::vector<int64_t>& rows) {
  return tensor(rows, {static_cast<int64_t>(rows.size())});
}

/// The axes after the first two of x.
Dims with_features(std::initializer_list<int64_t> first, const Tensor& x, int from) {
  Dims out(first);
  for (int i = from; i < x.dim(); ++i) out.push_back(x.size(i));
  return out;
}

std::vector<int64_t> inverse_of(const std::vector<int64_t>& order) {
  std::vector<int64_t> out(order.size());
  for (size_t i = 0; i < order.size(); ++i) out[order[i]] = static_cast<int64_t>(i);
  return out;
}

}  // namespace

PackedSequence pack_padded_sequence(const Tensor& x, const std::vector<int64_t>& lengths,
                                    bool batch_first, bool enforce_sorted) {
  const int time = batch_first ? 1 : 0;
  const int64_t steps = x.size(time), batch = x.size(1 - time);
  if (static_cast<int64_t>(lengths.size()) != batch)
    user_error("pack_padded_sequence: expected {} lengths for {}, received {}", batch,
               x.shape().text(), lengths.size());
  for (const int64_t n : lengths)
    if (n < 1 || n > steps)
      user_error("pack_padded_sequence: lengths must be in [1, {}], received {}", steps, n);
  std::vector<int64_t> order(batch);
  std::iota(order.begin(), order.end(), 0);
  PackedSequence out;
  if (!enforce_sorted) {
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return lengths[a] > lengths[b]; });
    out.sorted_indices = order;
    out.unsorted_indices = inverse_of(order);
  } else if (!std::is_sorted(lengths.rbegin(), lengths.rend())) {
    user_error(
        "pack_padded_sequence: lengths must not increase; pass enforce_sorted = false to have the "
        "sequences sorted");
  }
  std::vector<int64_t> rows;
  for (int64_t t = 0; t < lengths[order[0]]; ++t) {
    int64_t running = 0;
    for (const int64_t sequence : order) {
      if (lengths[sequence] <= t) break;
      rows.push_back(batch_first ? sequence * steps + t : t * batch + sequence);
      ++running;
    }
    out.batch_sizes.push_back(running);
  }
  out.data = x.reshape(with_features({steps * batch}, x, 2)).index_select(0, rows_tensor(rows));
  return out;
}

Padded pad_packed_sequence(const PackedSequence& packed, bool batch_first, double padding_value,
                           std::optional<int64_t> total_length) {
  const auto longest = static_cast<int64_t>(packed.batch_sizes.size());
  const int64_t steps = total_length.value_or(longest), batch = packed.batch_sizes.front();
  if (steps < longest)
    raise<ValueError>("pad_packed_sequence: total_length {} is shorter than the longest, {}", steps,
                      longest);
  Padded out;
  const int64_t padding = packed.data.size(0);  // the row added below
  std::vector<int64_t> rows(steps * batch, padding), lengths(batch, 0);
  int64_t first = 0;
  for (int64_t t = 0; t < longest; ++t) {
    for (int64_t i = 0; i < packed.batch_sizes[t]; ++i) {
      const int64_t sequence = packed.sorted_indices.empty() ? i : packed.sorted_indices[i];
      rows[batch_first ? sequence * steps + t : t * batch + sequence] = first + i;
      lengths[sequence] = t + 1;
    }
    first += packed.batch_sizes[t];
  }
  const Tensor pad_row = packed.data.new_full(with_features({1}, packed.data, 1), padding_value);
  const Tensor all = cat({packed.data, pad_row}).index_select(0, rows_tensor(rows));
  out.data = all.reshape(batch_first ? with_features({batch, steps}, packed.data, 1)
                                     : with_features({steps, batch}, packed.data, 1));
  out.lengths = lengths;
  return out;
}

Tensor pad_sequence(const Tensors& sequences, bool batch_first, double padding_value,
                    const std::string& padding_side) {
  if (sequences.empty()) user_error("pad_sequence: expected at least one sequence");
  if (padding_side != "right" && padding_side != "left")
    raise<ValueError>("pad_sequence: padding_side must be right or left, received '{}'",
                      padding_side);
  int64_t longest = 0;
  for (const Tensor& s : sequences) longest = std::max(longest, s.size(0));
  Tensors padded;
  for (const Tensor& s : sequences) {
    const int64_t missing = longest - s.size(0);
    if (missing == 0) {
      padded.push_back(s);
      continue;
    }
    const Tensor fill = s.new_full(with_features({missing}, s, 1), padding_value);
    padded.push_back(padding_side == "right" ? cat({s, fill}) : cat({fill, s}));
  }
  return stack(padded, batch_first ? 0 : 1);
}

PackedSequence pack_sequence(const Tensors& sequences, bool enforce_sorted) {
  std::vector<int64_t> lengths;
  for (const Tensor& s : sequences) lengths.push_back(s.size(0));
  return pack_padded_sequence(pad_sequence(sequences), lengths, false, enforce_sorted);
}

}  // namespace trivium::nn::utils::rnn
