// Datasets: numbered samples, each a list of Arrays. They compose by value: a Subset of a
// ConcatDataset of two MNISTs is again a Dataset. Reading is const and must be safe from several
// threads at once.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "trivium/engine/core/array.h"
#include "trivium/engine/core/torch_random.h"

namespace trivium::data {

/// One example: its columns, e.g. {float32[1, 28, 28], int64[]}.
using Sample = std::vector<Array>;
/// Many examples: the same columns with a first axis of examples, e.g. {float32[64, 1, 28, 28],
/// int64[64]}.
using Batch = std::vector<Array>;
/// A generator that several objects draw from; null means default_generator().
using GeneratorRef = std::shared_ptr<random::TorchGenerator>;

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  /// Sample `index` in [-size(), size()), negative ones counted from the end; UserError outside.
  virtual Sample get(int64_t index) const = 0;
  /// The samples of `indices`, collated. The default gets them one by one; datasets that can fill
  /// a batch without making samples override it. Errors name the item.
  virtual Batch get_batch(std::span<const int64_t> indices) const;

 protected:
  /// The index counted from the start; UserError with `name` when there is no such sample.
  int64_t checked(int64_t index, const char* name) const;
};

/// Any dataset, held by value or shared: what functions take.
class DatasetRef {
 public:
  DatasetRef() = default;
  template <typename D>
  requires std::derived_from<std::remove_cvref_t<D>, Dataset> DatasetRef(
      D&& dataset)  // NOLINT: conversion intended
      : dataset_(std::make_shared<std::remove_cvref_t<D>>(std::forward<D>(dataset))) {}
  template <std::derived_from<Dataset> D>
  DatasetRef(std::shared_ptr<D> dataset) : dataset_(std::move(dataset)) {}  // NOLINT

  explicit operator bool() const { return dataset_ != nullptr; }
  const Dataset* operator->() const { return dataset_.get(); }
  const Dataset& operator*() const { return *dataset_; }

 private:
  std::shared_ptr<const Dataset> dataset_;
};

/// Stacks each column of the samples. UserError naming the sample when the number of columns, a
/// shape or a dtype differs from sample 0, or there is none.
Batch collate(const std::vector<Sample>& samples);

/// Runs `read` and puts "item N: " before the message of an error that leaves it.
void with_item(int64_t item, const std::function<void()>& read);

/// Sample i is row i of every array. UserError when the arrays have no or different first axes.
class TensorDataset : public Dataset {
 public:
  explicit TensorDataset(std::vector<Array> arrays);
  int64_t size() const override { return rows_; }
  Sample get(int64_t index) const override;
  Batch get_batch(std::span<const int64_t> indices) const override;
  const std::vector<Array>& arrays() const { return arrays_; }

 private:
  std::vector<Array> arrays_;
  int64_t rows_;
};

/// Sample i is sample indices[i] of another dataset.
class Subset : public Dataset {
 public:
  Subset(DatasetRef dataset, std::vector<int64_t> indices);
  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  Sample get(int64_t index) const override;
  Batch get_batch(std::span<const int64_t> indices) const override;
  const DatasetRef& dataset() const { return dataset_; }
  const std::vector<int64_t>& indices() const { return indices_; }

 private:
  DatasetRef dataset_;
  std::vector<int64_t> indices_;
};

/// One dataset after the other. UserError when there is none.
class ConcatDataset : public Dataset {
 public:
  explicit ConcatDataset(std::vector<DatasetRef> datasets);
  int64_t size() const override { return ends_.back(); }
  Sample get(int64_t index) const override;

 private:
  std::vector<DatasetRef> datasets_;
  std::vector<int64_t> ends_;
};

/// Sample i is whatever a function of i returns: for data that is computed or read elsewhere.
class FunctionDataset : public Dataset {
 public:
  FunctionDataset(int64_t size, std::function<Sample(int64_t)> get)
      : size_(size), get_(std::move(get)) {}
  int64_t size() const override { return size_; }
  Sample get(int64_t index) const override { return get_(checked(index, "FunctionDataset")); }

 private:
  int64_t size_;
  std::function<Sample(int64_t)> get_;
};

/// Disjoint random subsets of these lengths, which must sum to the dataset's size (UserError
/// otherwise): slices of one randperm.
std::vector<Subset> random_split(const DatasetRef& dataset, const std::vector<int64_t>& lengths,
                                 const GeneratorRef& generator = nullptr);
/// The same by fractions that sum to 1: each length is rounded down, the examples left over go one
/// each to the first parts.
std::vector<Subset> random_split(const DatasetRef& dataset, const std::vector<double>& fractions,
                                 const GeneratorRef& generator = nullptr);

/// `generator`, or the default one for null.
random::TorchGenerator& generator_or_default(const GeneratorRef& generator);

/// What random transforms draw from: inside a DataLoader's worker that worker's own generator,
/// everywhere else default_generator().
random::TorchGenerator& sample_generator();

}  // namespace trivium::data
