// Datasets that need no files, and collation.
#include "trivium/data/dataset.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <numeric>

namespace trivium::data {
namespace {

Shape with_rows(int64_t rows, const Shape& row) {
  if (row.rank() >= Shape::kMaxRank)
    user_error("collate: samples of shape {} leave no axis for the batch (at most {} axes)",
               row.text(), Shape::kMaxRank);
  Shape shape{rows};
  for (const int64_t size : row) shape.push_back(size);
  return shape;
}

Shape without_rows(const Shape& shape) { return Shape(shape.dims().subspan(1)); }

char* row_of(const Array& array, int64_t row, size_t row_bytes) {
  return static_cast<char*>(array.raw()) + static_cast<size_t>(row) * row_bytes;
}

}  // namespace

void with_item(int64_t item, const std::function<void()>& read) {
  const auto text = [&](const std::exception& e) {
    return fmt::format("item {}: {}", item, e.what());
  };
  try {
    read();
  } catch (const EnvironmentError& e) {
    throw EnvironmentError(text(e));
  } catch (const InternalError& e) {
    throw InternalError(text(e));
  } catch (const UserError& e) {
    throw UserError(text(e));
  } catch (const std::exception& e) {
    std::throw_with_nested(UserError(text(e)));
  }
}

int64_t Dataset::checked(int64_t index, const char* name) const {
  const int64_t count = size();
  const int64_t position = index < 0 ? index + count : index;
  if (position < 0 || position >= count)
    user_error("{}: sample {} does not exist; the dataset has {}", name, index, count);
  return position;
}

Batch Dataset::get_batch(std::span<const int64_t> indices) const {
  std::vector<Sample> samples(indices.size());
  for (size_t i = 0; i < indices.size(); ++i)
    with_item(indices[i], [&] { samples[i] = get(indices[i]); });
  return collate(samples);
}

Batch collate(const std::vector<Sample>& samples) {
  if (samples.empty()) user_error("collate: expected at least one sample, received none");
  const Sample& first = samples[0];
  Batch batch;
  for (const Array& column : first)
    batch.emplace_back(with_rows(static_cast<int64_t>(samples.size()), column.shape()),
                       column.dtype());
  for (size_t s = 0; s < samples.size(); ++s) {
    if (samples[s].size() != first.size())
      user_error("collate: sample 0 has {} columns, sample {} has {}", first.size(), s,
                 samples[s].size());
    for (size_t c = 0; c < first.size(); ++c) {
      const Array& value = samples[s][c];
      if (!(value.shape() == first[c].shape()) || value.dtype() != first[c].dtype())
        user_error(
            "collate: column {} is {} in sample 0, {} in sample {}; give all samples one shape "
            "(Resize, CenterCrop) or your own collate function",
            c, first[c].text(), value.text(), s);
      if (value.bytes() > 0)
        std::memcpy(row_of(batch[c], static_cast<int64_t>(s), value.bytes()), value.raw(),
                    value.bytes());
    }
  }
  return batch;
}

TensorDataset::TensorDataset(std::vector<Array> arrays) : arrays_(std::move(arrays)) {
  if (arrays_.empty()) user_error("TensorDataset: expected at least one array, received none");
  for (const Array& array : arrays_) {
    if (!array.defined() || array.shape().rank() < 1)
      user_error("TensorDataset: expected arrays with a first axis of samples, received {}",
                 array.defined() ? array.text() : "an undefined array");
    if (array.shape()[0] != arrays_[0].shape()[0])
      user_error("TensorDataset: {} and {} differ in their number of samples", arrays_[0].text(),
                 array.text());
  }
  rows_ = arrays_[0].shape()[0];
}

Sample TensorDataset::get(int64_t index) const {
  const int64_t row = checked(index, "TensorDataset");
  Sample sample;
  for (const Array& array : arrays_) {
    Array value(without_rows(array.shape()), array.dtype());
    if (value.bytes() > 0)
      std::memcpy(value.raw(), row_of(array, row, value.bytes()), value.bytes());
    sample.push_back(std::move(value));
  }
  return sample;
}

Batch TensorDataset::get_batch(std::span<const int64_t> indices) const {
  Batch batch;
  for (const Array& array : arrays_) {
    const Shape row = without_rows(array.shape());
    const size_t bytes = static_cast<size_t>(row.count()) * size_of(array.dtype());
    Array out(with_rows(static_cast<int64_t>(indices.size()), row), array.dtype());
    for (size_t i = 0; i < indices.size(); ++i) {
      const int64_t from = checked(indices[i], "TensorDataset");
      if (bytes > 0)
        std::memcpy(row_of(out, static_cast<int64_t>(i), bytes), row_of(array, from, bytes), bytes);
    }
    batch.push_back(std::move(out));
  }
  return batch;
}

Subset::Subset(DatasetRef dataset, std::vector<int64_t> indices)
    : dataset_(std::move(dataset)), indices_(std::move(indices)) {
  if (!dataset_) user_error("Subset: expected a dataset, received none");
}

Sample Subset::get(int64_t index) const {
  return dataset_->get(indices_[checked(index, "Subset")]);
}

Batch Subset::get_batch(std::span<const int64_t> indices) const {
  std::vector<int64_t> inner;
  inner.reserve(indices.size());
  for (const int64_t i : indices) inner.push_back(indices_[checked(i, "Subset")]);
  return dataset_->get_batch(inner);
}

ConcatDataset::ConcatDataset(std::vector<DatasetRef> datasets) : datasets_(std::move(datasets)) {
  if (datasets_.empty()) user_error("ConcatDataset: expected at least one dataset, received none");
  int64_t end = 0;
  for (const DatasetRef& dataset : datasets_) {
    if (!dataset) user_error("ConcatDataset: dataset {} is missing", ends_.size());
    ends_.push_back(end += dataset->size());
  }
}

Sample ConcatDataset::get(int64_t index) const {
  const int64_t position = checked(index, "ConcatDataset");
  const auto part = std::upper_bound(ends_.begin(), ends_.end(), position) - ends_.begin();
  return datasets_[part]->get(position - (part == 0 ? 0 : ends_[part - 1]));
}

std::vector<Subset> random_split(const DatasetRef& dataset, const std::vector<int64_t>& lengths,
                                 const GeneratorRef& generator) {
  if (!dataset) user_error("random_split: expected a dataset, received none");
  const int64_t sum = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  if (sum != dataset->size() ||
      std::any_of(lengths.begin(), lengths.end(), [](int64_t length) { return length < 0; }))
    user_error("random_split: expected lengths that sum to the dataset's size {}, received {}",
               dataset->size(), Shape(lengths).text());
  const Array order = random::randperm(generator_or_default(generator), sum);
  const int64_t* next = order.data<int64_t>();
  std::vector<Subset> parts;
  for (size_t i = 0; i < lengths.size(); ++i) {
    parts.emplace_back(dataset, std::vector<int64_t>(next, next + lengths[i]));
    next += lengths[i];
  }
  return parts;
}

std::vector<Subset> random_split(const DatasetRef& dataset, const std::vector<double>& fractions,
                                 const GeneratorRef& generator) {
  if (!dataset) user_error("random_split: expected a dataset, received none");
  const double sum = std::accumulate(fractions.begin(), fractions.end(), 0.0);
  if (fractions.empty() || std::fabs(sum - 1) > 1e-9 ||
      std::any_of(fractions.begin(), fractions.end(), [](double f) { return !(f >= 0 && f <= 1); }))
    user_error("random_split: expected fractions in [0, 1] that sum to 1, received a sum of {}",
               sum);
  std::vector<int64_t> lengths;
  for (const double f : fractions)
    lengths.push_back(static_cast<int64_t>(std::floor(static_cast<double>(dataset->size()) * f)));
  int64_t left = dataset->size() - std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  for (size_t i = 0; left > 0; --left, ++i) ++lengths[i % lengths.size()];
  return random_split(dataset, lengths, generator);
}

random::TorchGenerator& generator_or_default(const GeneratorRef& generator) {
  return generator ? *generator : random::default_generator();
}

}  // namespace trivium::data
