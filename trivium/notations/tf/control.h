// Branches, loops and tensor arrays. The functions given are called once, to describe what runs
// inside; the run decides which branch is computed and how often a loop goes round.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "trivium/notations/tf/input.h"

namespace trivium::tf {

using Tensors = std::vector<Tensor>;
using TensorsFn = std::function<Tensors()>;

/// true_fn() where pred holds, else false_fn(); only what the one taken made inside is computed,
/// assignments included. Results have equal dtypes, and shapes that are equal in the run.
/// ValueError when pred is no scalar or the results differ in number, TypeError when they do in
/// dtype.
Tensors cond(const Input& pred, const TensorsFn& true_fn, const TensorsFn& false_fn,
             const std::string& name = "");
Tensor cond(const Input& pred, const std::function<Tensor()>& true_fn,
            const std::function<Tensor()>& false_fn, const std::string& name = "");

struct Case {
  Tensor pred;
  TensorsFn fn;
};
/// The function of the first predicate that holds, else `fallback`.
Tensors case_of(const std::vector<Case>& cases, const TensorsFn& fallback,
                const std::string& name = "");

struct LoopOptions {
  std::vector<PartialShape> shape_invariants;  // empty, or one per variable
  Tensor maximum_iterations = {};
  std::string name;
};
/// Calls body while condition holds. dtypes stay the same; so do shapes, unless the number of
/// iterations follows from constants. TypeError / ValueError when the body gives something else.
Tensors while_loop(const std::function<Tensor(const Tensors&)>& condition,
                   const std::function<Tensors(const Tensors&)>& body, const Tensors& loop_vars,
                   const LoopOptions& options = {});

struct TensorArrayOptions {
  PartialShape element_shape;
  bool dynamic_size = false;     // writes make it larger
  bool clear_after_read = true;  // a position is read once
  bool infer_shape = true;       // elements have the shape of the first
  bool checked = true;           // false: the caller knows that each position is used once
  std::string name, tensor_array_name;
};

/// Tensors by position, all of one dtype and shape; the number of positions is known when a run
/// begins. Every change gives a new array: write the result on, also out of a loop. A position is
/// written once, before it is read; one never written reads as zeros once the elements' shape is
/// known. OpError else.
class TensorArray {
 public:
  TensorArray(DataType dtype, const Input& size, const TensorArrayOptions& options = {});
  /// As it goes through loops and branches.
  explicit TensorArray(const Tensor& flow) : flow_(flow) {}
  const Tensor& flow() const { return flow_; }
  DataType dtype() const { return flow_.dtype(); }

  TensorArray write(const Input& index, const Input& value, const std::string& name = "") const;
  Tensor read(const Input& index, const std::string& name = "") const;
  Tensor stack(const std::string& name = "") const;
  Tensor gather(const Input& indices, const std::string& name = "") const;
  /// Elements one behind the other along their first axis.
  Tensor concat(const std::string& name = "") const;
  TensorArray unstack(const Input& value, const std::string& name = "") const;
  TensorArray scatter(const Input& indices, const Input& value, const std::string& name = "") const;
  Tensor size(const std::string& name = "") const;

 private:
  Tensor flow_;
};

}  // namespace trivium::tf
