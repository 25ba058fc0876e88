// Losses. Elementwise formulas are left to the fuser; classification goes through the engine's
// softmax_cross_entropy where it means the same.
#include <cmath>
#include <numbers>

#include "trivium/notations/nn/functional_detail.h"

namespace trivium::nn::functional {

using record::Call;

namespace {

Tensor zero(const Tensor& x) { return number_of(0, x.dtype()); }

void require_same_shape(const Tensor& a, const Tensor& b, const char* op) {
  if (!(a.shape() == b.shape()))
    raise<ValueError>("{}: input and target of one shape expected, {} and {} received", op,
                      a.shape().text(), b.shape().text());
}

/// Elements of a floating tensor that lies in memory are within [0, 1].
void require_unit(const Tensor& x, const char* op, const char* what) {
  if (!is_ready(x) || x.count() == 0) return;
  const Array a = x.array();
  for (int64_t i = 0; i < a.count(); ++i) {
    const double v = a.at(i);
    if (!(v >= 0 && v <= 1))
      user_error("{}: {} of {} received, numbers from 0 to 1 expected", op, what, v);
  }
}

}  // namespace

Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction reduction) {
  return reads("mse_loss", {input, target}, reduced((input - target).square(), reduction));
}

Tensor l1_loss(const Tensor& input, const Tensor& target, Reduction reduction) {
  return reduced((input - target).abs(), reduction);
}

Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, Reduction reduction, double beta) {
  if (beta < 0) user_error("smooth_l1_loss: beta of 0 or more expected, {} received", beta);
  if (beta == 0) return l1_loss(input, target, reduction);
  const Tensor d = (input - target).abs();
  const Tensor each = pick(d.lt(beta), d.square() * (0.5 / beta), d - 0.5 * beta);
  return reads("smooth_l1_loss", {input, target}, reduced(each, reduction));
}

Tensor huber_loss(const Tensor& input, const Tensor& target, Reduction reduction, double delta) {
  if (delta <= 0) user_error("huber_loss: delta above 0 expected, {} received", delta);
  const Tensor d = (input - target).abs();
  const Tensor each = pick(d.le(delta), d.square() * 0.5, (d - 0.5 * delta) * delta);
  return reads("huber_loss", {input, target}, reduced(each, reduction));
}

namespace {

/// Class labels of one batch: int64, what is ignored, and whether that is known.
struct Labels {
  Tensor at;
  bool some_ignored = false;  // or not known
};

Labels checked_labels(const Tensor& input, const Tensor& target, int64_t ignore_index,
                      const char* op) {
  const int rank = input.shape().rank();
  if (rank < 1)
    user_error("{}: [C] or [N, C, …] expected, shape {} received", op, input.shape().text());
  Shape expected;
  for (int i = 0; i < rank; ++i)
    if (i != (rank == 1 ? 0 : 1)) expected.push_back(input.shape()[i]);
  if (!(target.shape() == expected)) {
    if (rank > 1 && target.shape().rank() >= 1 && target.shape()[0] != input.shape()[0])
      raise<ValueError>("{}: a batch of {} with {} labels; shapes {} and {}", op, input.shape()[0],
                        target.shape()[0], input.shape().text(), target.shape().text());
    user_error("{}: labels of shape {} expected for an input of {}, {} received", op,
               expected.text(), input.shape().text(), target.shape().text());
  }
  if (target.dtype() != DType::i64 && target.dtype() != DType::u8)
    user_error("{}: labels of int64 expected, {} received", op, name_of(target.dtype()));
  Labels l{cast_to(target, DType::i64), true};
  if (!is_ready(target)) return l;
  const int64_t classes = input.shape()[rank == 1 ? 0 : 1];
  l.some_ignored = false;
  for (int64_t v : host_integers(target)) {
    if (v == ignore_index)
      l.some_ignored = true;
    else if (v < 0 || v >= classes)
      raise<IndexError>("{}: label {} is out of range for {} classes", op, v, classes);
  }
  return l;
}

}  // namespace

Tensor nll_loss(const Tensor& input, const Tensor& target, const Tensor& weight,
                int64_t ignore_index, Reduction reduction) {
  const Labels labels = checked_labels(input, target, ignore_index, "nll_loss");
  const int axis = input.shape().rank() == 1 ? 0 : 1;
  const Tensor kept = labels.at.ne(ignore_index);
  const Tensor at =
      labels.some_ignored ? pick(kept, labels.at, number_of(0, DType::i64)) : labels.at;
  Tensor loss = input.gather(axis, at.unsqueeze(axis)).squeeze(axis).neg();
  Tensor shares;  // the weight of each label
  if (weight.defined()) {
    shares = gather_rows(weight, at, 0);
    loss = loss * shares;
  } else if (labels.some_ignored) {
    shares = cast_to(kept, input.dtype());
  }
  if (labels.some_ignored) {
    loss = pick(kept, loss, zero(loss));
    if (weight.defined()) shares = pick(kept, shares, zero(shares));
  }
  if (reduction != Reduction::mean || !shares.defined()) return reduced(loss, reduction);
  return loss.sum() / shares.sum();
}

namespace {

const Call* cross_entropy_call(int axis, bool ignoring, int64_t ignore_index) {
  const int64_t key[] = {axis, ignoring, ignoring ? ignore_index : 0};
  start_engine();
  static const OpDef& op = OpRegistry::instance().get("softmax_cross_entropy");
  return record::call_by_key(op, key, [](const OpDef&, std::span<const int64_t> k) {
    return Attrs{{"axis", k[0]}, {"has_ignore", k[1] != 0}, {"ignore_label", k[2]}};
  });
}

/// Targets are probabilities of the classes.
Tensor soft_cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight,
                          Reduction reduction, double smoothing) {
  const int axis = input.shape().rank() == 1 ? 0 : 1;
  const double classes = static_cast<double>(input.shape()[axis]);
  Tensor p = target;
  if (smoothing > 0) p = p * (1 - smoothing) + smoothing / classes;
  Tensor terms = input.log_softmax(axis) * p;
  if (weight.defined())
    terms = terms * (axis == 0 ? weight : per_channel(weight, input.shape().rank()));
  const Tensor loss = terms.sum(axis).neg();
  if (reduction != Reduction::mean) return reduced(loss, reduction);
  const int64_t rows = axis == 0 ? 1 : input.count() / std::max<int64_t>(input.shape()[1], 1);
  return loss.sum() / rows;
}

/// One-hot targets, mixed with uniform ones.
Tensor smoothed_cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight,
                              int64_t ignore_index, Reduction reduction, double smoothing) {
  const int rank = input.shape().rank(), axis = rank == 1 ? 0 : 1;
  const Tensor logs = input.log_softmax(axis);
  const Tensor hard = nll_loss(logs, target, weight, ignore_index, reduction);
  const Tensor weighted =
      weight.defined() ? logs * (axis == 0 ? weight : per_channel(weight, rank)) : logs;
  const Tensor kept = cast_to(target, DType::i64).ne(ignore_index);
  Tensor even = weighted.sum(axis).neg();
  even = pick(kept, even, zero(even));
  Tensor soft = reduction == Reduction::none ? even : even.sum();
  if (reduction == Reduction::mean) {
    const Tensor at = pick(kept, cast_to(target, DType::i64), number_of(0, DType::i64));
    const Tensor share = weight.defined()
                             ? Tensor(gather_rows(weight, at, 0)) * cast_to(kept, input.dtype())
                             : cast_to(kept, input.dtype());
    soft = soft / share.sum();
  }
  const double classes = static_cast<double>(input.shape()[axis]);
  return hard * (1 - smoothing) + soft * (smoothing / classes);
}

}  // namespace

Tensor cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight,
                     int64_t ignore_index, Reduction reduction, double label_smoothing) {
  const char* op = "cross_entropy";
  if (!(label_smoothing >= 0 && label_smoothing <= 1))
    user_error("{}: label_smoothing from 0 to 1 expected, {} received", op, label_smoothing);
  if (target.shape() == input.shape() && input.shape().rank() > 0) {
    if (!is_floating(target.dtype()))
      user_error(
          "{}: targets of the input's shape are probabilities: a floating dtype expected, "
          "{} received",
          op, name_of(target.dtype()));
    if (ignore_index >= 0)
      user_error("{}: ignore_index has no meaning for targets that are probabilities", op);
    return soft_cross_entropy(input, target, weight, reduction, label_smoothing);
  }
  if (label_smoothing > 0)
    return smoothed_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing);
  const int axis = input.shape().rank() == 1 ? 0 : 1;
  if (weight.defined())
    return nll_loss(input.log_softmax(axis), target, weight, ignore_index, reduction);
  const Labels labels = checked_labels(input, target, ignore_index, op);
  const Call* c = cross_entropy_call(axis, labels.some_ignored, ignore_index);
  const Tensor loss = record::apply(c, {input, labels.at});
  if (reduction != Reduction::mean || !labels.some_ignored) return reduced(loss, reduction);
  return loss.sum() / cast_to(labels.at.ne(ignore_index), input.dtype()).sum();
}

Tensor floored_cross_entropy(const Tensor& input, const Tensor& labels, double floor) {
  if (!(floor >= 0 && floor < 1))
    user_error("floored_cross_entropy: floor from 0 to below 1 expected, {} received", floor);
  const Call* c = record::call("softmax_cross_entropy", {{"axis", int64_t{1}}, {"floor", floor}});
  return Tensor(record::apply(c, {input, labels.detach()})).mean();
}

Tensor binary_cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight,
                            Reduction reduction) {
  const char* op = "binary_cross_entropy";
  require_same_shape(input, target, op);
  if (!is_floating(target.dtype()))
    user_error("{}: targets of a floating dtype expected, {} received", op,
               name_of(target.dtype()));
  require_unit(input, op, "an input");
  require_unit(target, op, "a target");
  Tensor loss;
  const Tensor x = input.detach(), y = cast_to(target, input.dtype()).detach();
  {
    const NoGradGuard off;
    loss = ((y - 1) * x.neg().log1p().clamp_min(-100) - y * x.log().clamp_min(-100));
  }
  if (record::grad_enabled() && (input.requires_grad() || target.requires_grad())) {
    const record::Var inputs[] = {input, cast_to(target, input.dtype())}, outputs[] = {loss};
    loss = record::attach_rule(
        "binary_cross_entropy", inputs, outputs, [x, y](const std::vector<record::Var>& g) {
          const Tensor dy(g[0]);
          const Tensor room = ((1 - x) * x).clamp_min(1e-12);
          return std::vector<record::Var>{dy * (x - y) / room,
                                          dy * ((1 - x).log() - x.log()).clamp(-100, 100)};
        })[0];
  }
  return reduced(weight.defined() ? loss * weight : loss, reduction);
}

Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target,
                                        const Tensor& weight, Reduction reduction,
                                        const Tensor& pos_weight) {
  const char* op = "binary_cross_entropy_with_logits";
  require_same_shape(input, target, op);
  static const Call* const softplus = plain_call("softplus");
  const Tensor miss = record::apply(softplus, {input.neg()});  // -log(sigmoid(x))
  Tensor loss;
  if (pos_weight.defined())
    loss = (1 - target) * input + ((pos_weight - 1) * target + 1) * miss;
  else
    loss = (1 - target) * input + miss;
  return reduced(weight.defined() ? loss * weight : loss, reduction);
}

Tensor kl_div(const Tensor& input, const Tensor& target, Reduction reduction, bool log_target) {
  const Tensor loss =
      log_target ? target.exp() * (target - input) : target.xlogy(target) - target * input;
  return reduced(loss, reduction);
}

Tensor poisson_nll_loss(const Tensor& input, const Tensor& target, bool log_input, bool full,
                        double eps, Reduction reduction) {
  Tensor loss = log_input ? input.exp() - target * input : input - target * (input + eps).log();
  if (full) {
    const Tensor safe = pick(target.gt(1), target, number_of(1, target.dtype()));
    const Tensor stirling = safe * safe.log() - safe + (safe * (2 * std::numbers::pi)).log() * 0.5;
    loss = loss + pick(target.gt(1), stirling, zero(target));
  }
  return reduced(loss, reduction);
}

Tensor gaussian_nll_loss(const Tensor& input, const Tensor& target, const Tensor& var, bool full,
                         double eps, Reduction reduction) {
  Tensor spread = var;
  if (!(var.shape() == input.shape()) && var.shape().rank() + 1 == input.shape().rank())
    spread = var.unsqueeze(-1);
  // The bound is no part of the derivative.
  const Tensor bounded = spread + (spread.detach().clamp_min(eps) - spread.detach());
  Tensor loss = (bounded.log() + (input - target).square() / bounded) * 0.5;
  if (full) loss = loss + 0.5 * std::log(2 * std::numbers::pi);
  return reduced(loss, reduction);
}

Tensor hinge_embedding_loss(const Tensor& input, const Tensor& target, double margin,
                            Reduction reduction) {
  const Tensor apart = (margin - input).clamp_min(0);
  return reduced(pick(target.ne(1), apart, zero(apart)) + pick(target.ne(-1), input, zero(input)),
                 reduction);
}

Tensor margin_ranking_loss(const Tensor& input1, const Tensor& input2, const Tensor& target,
                           double margin, Reduction reduction) {
  return reduced((target.neg() * (input1 - input2) + margin).clamp_min(0), reduction);
}

Tensor cosine_embedding_loss(const Tensor& input1, const Tensor& input2, const Tensor& target,
                             double margin, Reduction reduction) {
  constexpr double kEps = 1e-12;
  const int64_t dim = input1.shape().rank() - 1;
  const Tensor cos = (input1 * input2).sum(dim) /
                     ((input1.square().sum(dim) + kEps) * (input2.square().sum(dim) + kEps)).sqrt();
  const Tensor apart = (cos - margin).clamp_min(0);
  return reduced(pick(target.eq(1), 1 - cos, zero(cos)) + pick(target.eq(-1), apart, zero(apart)),
                 reduction);
}

Tensor soft_margin_loss(const Tensor& input, const Tensor& target, Reduction reduction) {
  static const Call* const softplus = plain_call("softplus");
  return reduced(record::apply(softplus, {target.neg() * input}), reduction);
}

Tensor multi_margin_loss(const Tensor& input, const Tensor& target, int64_t p, double margin,
                         const Tensor& weight, Reduction reduction) {
  if (p != 1 && p != 2) raise<ValueError>("multi_margin_loss: p is 1 or 2, {} received", p);
  const bool single = input.shape().rank() == 1;
  const Tensor x = single ? input.unsqueeze(0) : input;
  const Tensor at = single ? target.reshape({1}) : target;
  checked_labels(x, at, -1 - x.shape()[1], "multi_margin_loss");
  const Tensor own = x.gather(1, at.unsqueeze(1));
  Tensor excess = (x - own + margin).clamp_min(0);
  if (p == 2) excess = excess.square();
  if (weight.defined()) excess = excess * gather_rows(weight, at, 0).unsqueeze(1);
  const Tensor hot = cast_to(one_hot(at, x.shape()[1]), DType::bool_);
  const Tensor loss = pick(hot, zero(x), excess).sum(1) / x.shape()[1];
  return reduced(single ? loss.squeeze(0) : loss, reduction);
}

Tensor multilabel_margin_loss(const Tensor& input, const Tensor& target, Reduction reduction) {
  require_same_shape(input, target, "multilabel_margin_loss");
  const bool single = input.shape().rank() == 1;
  const Tensor x = single ? input.unsqueeze(0) : input;
  const int64_t rows = x.shape()[0], classes = x.shape()[1];
  const std::vector<int64_t> labels = host_integers(target);
  Array hits = Array::zeros(x.shape(), DType::bool_);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t k = 0; k < classes; ++k) {
      const int64_t label = labels[static_cast<size_t>(r * classes + k)];
      if (label < 0) break;
      if (label >= classes)
        user_error("multilabel_margin_loss: label {} of {} classes", label, classes);
      hits.data<bool>()[r * classes + label] = true;
    }
  const Tensor hit(hits);
  const Tensor excess = (1 - x.unsqueeze(2) + x.unsqueeze(1)).clamp_min(0);
  const Tensor pairs = hit.unsqueeze(2).logical_and(hit.logical_not().unsqueeze(1));
  const Tensor loss = pick(pairs, excess, zero(x)).sum({1, 2}) / classes;
  return reduced(single ? loss.squeeze(0) : loss, reduction);
}

Tensor multilabel_soft_margin_loss(const Tensor& input, const Tensor& target, const Tensor& weight,
                                   Reduction reduction) {
  Tensor loss = (target * logsigmoid(input) + (1 - target) * logsigmoid(input.neg())).neg();
  if (weight.defined()) loss = loss * weight;
  return reduced(loss.mean(-1), reduction);
}

Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                           double margin, double p, double eps, bool swap, Reduction reduction) {
  const Tensor near = pairwise_distance(anchor, positive, p, eps);
  Tensor far = pairwise_distance(anchor, negative, p, eps);
  if (swap) far = far.minimum(pairwise_distance(positive, negative, p, eps));
  return reduced((near - far + margin).clamp_min(0), reduction);
}

namespace {

/// log(exp(a) + exp(b) + exp(c)) where very small numbers stand for log 0.
Tensor log_add(const Tensor& a, const Tensor& b, const Tensor& c) {
  return stack({a, b, c}, 0).logsumexp(0);
}

}  // namespace

Tensor ctc_loss(const Tensor& given, const Tensor& targets, const Tensor& input_lengths,
                const Tensor& target_lengths, int64_t blank, Reduction reduction,
                bool zero_infinity) {
  constexpr double kNever = -1e30;
  const bool single = given.shape().rank() == 2;
  const Tensor logs = single ? given.unsqueeze(1) : given;
  const int64_t steps = logs.shape()[0], batch = logs.shape()[1], classes = logs.shape()[2];
  const std::vector<int64_t> labels = host_integers(targets),
                             lengths = host_integers(target_lengths),
                             durations = host_integers(input_lengths);
  if (static_cast<int64_t>(lengths.size()) != batch || durations.size() != lengths.size())
    user_error("ctc_loss: {} sequences with {} input and {} target lengths", batch,
               durations.size(), lengths.size());
  int64_t longest = 0;
  for (int64_t l : lengths) longest = std::max(longest, l);
  const int64_t width = 2 * longest + 1;
  const bool joined = targets.shape().rank() == 1 && !single;
  // The labels with blanks between them, and where a blank may be skipped.
  std::vector<int64_t> path(static_cast<size_t>(batch * width), blank), last;
  Array skip = Array::full(Shape{batch, width}, kNever, DType::f64);
  int64_t from = 0;
  for (int64_t n = 0; n < batch; ++n) {
    if (!joined) from = n * (single ? 0 : targets.shape()[-1]);
    for (int64_t s = 0; s < lengths[static_cast<size_t>(n)]; ++s) {
      const int64_t label = labels.at(static_cast<size_t>(from + s));
      if (label < 0 || label >= classes)
        user_error("ctc_loss: label {} of {} classes", label, classes);
      path[static_cast<size_t>(n * width + 2 * s + 1)] = label;
      if (s > 0 && labels[static_cast<size_t>(from + s - 1)] != label)
        skip.data<double>()[n * width + 2 * s + 1] = 0;
    }
    from += lengths[static_cast<size_t>(n)];
    last.push_back(2 * lengths[static_cast<size_t>(n)]);
  }
  const DType d = logs.dtype();
  const Tensor at = index_tensor(path, Shape{batch, width});
  const Tensor may_skip(skip.cast(d));
  Array first = Array::full(Shape{batch, width}, kNever, DType::f64);
  for (int64_t n = 0; n < batch; ++n)
    for (int64_t s = 0; s < std::min<int64_t>(2, width); ++s)
      if (s == 0 || lengths[static_cast<size_t>(n)] > 0) first.data<double>()[n * width + s] = 0;
  Tensor alpha = Tensor(first.cast(d)) + logs[0].gather(1, at);
  for (int64_t t = 1; t < steps; ++t) {
    const Tensor one = pad(alpha, {1, -1}, "constant", kNever),
                 two = pad(alpha, {2, -2}, "constant", kNever) + may_skip;
    const Tensor next = log_add(alpha, one, two.clamp_min(kNever)) + logs[t].gather(1, at);
    Array going(Shape{batch, 1}, DType::bool_);
    for (int64_t n = 0; n < batch; ++n)
      going.data<bool>()[n] = t < durations[static_cast<size_t>(n)];
    alpha = pick(Tensor(going), next, alpha);
  }
  std::vector<int64_t> before;
  Array two_ends(Shape{batch}, DType::bool_);
  for (int64_t n = 0; n < batch; ++n) {
    before.push_back(std::max<int64_t>(0, last[static_cast<size_t>(n)] - 1));
    two_ends.data<bool>()[n] = lengths[static_cast<size_t>(n)] > 0;
  }
  const Tensor end = alpha.gather(1, index_tensor(last, Shape{batch, 1})).squeeze(1);
  Tensor other = alpha.gather(1, index_tensor(before, Shape{batch, 1})).squeeze(1);
  other = pick(Tensor(two_ends), other, number_of(kNever, d));
  Tensor loss = stack({end, other}, 0).logsumexp(0).neg();
  const Tensor impossible = loss.detach().gt(1e29);
  const double fill = zero_infinity ? 0 : std::numeric_limits<double>::infinity();
  loss = pick(impossible, number_of(fill, d), loss);
  if (single) loss = loss.squeeze(0);
  if (reduction != Reduction::mean) return reduced(loss, reduction);
  std::vector<double> sizes;
  for (int64_t l : lengths) sizes.push_back(static_cast<double>(std::max<int64_t>(l, 1)));
  const Array divisor = Array::from(sizes, single ? Shape{} : Shape{batch}).cast(d);
  return (loss / Tensor(divisor)).mean();
}

}  // namespace trivium::nn::functional
