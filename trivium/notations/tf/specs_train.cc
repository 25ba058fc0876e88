// The updates of optimizers: each reads a variable's slots, writes them, and gives the new value.
#include "trivium/engine/ops/build.h"
#include "trivium/notations/tf/op_spec.h"
#include "trivium/notations/tf/translator.h"

namespace trivium::tf {
namespace {

/// The references and numbers of one update.
class Update {
 public:
  explicit Update(Translate& c) : c_(c) {}
  /// In the order in which the first variable is kept; so are the gradients.
  Value slot(int i) { return home().stored(c_.translator().latest(variable(i))); }
  Value in(int i) {
    const Value x = c_.in(i);
    return x.shape().rank() > 0 ? home().stored(x) : x;
  }
  Value logical(Value stored) { return home().logical(stored); }
  bool flag(const char* name) { return c_.op().attr_or<bool>(name, false); }
  Value put(int i, Value value) {
    value = ops::stop_gradient(value);
    c_.translator().write(c_.op(), variable(i), home().logical(value));
    return value;
  }

 private:
  const Home& home() { return c_.translator().state_of(variable(0)).home; }
  Operation* variable(int i) { return c_.translator().variable_of(c_.op().edges().at(i)); }
  Translate& c_;
};

using Rule = std::function<Value(Update&)>;

void update(SpecTable& t, const std::string& type, std::vector<std::string> inputs, int grad,
            Rule rule) {
  t.add({type, std::move(inputs),
         [grad](Infer& c) {
           if (c.dtype(grad) != c.dtype(0)) c.same_dtype(grad);
           if (!c.shape(0).compatible(c.shape(grad)))
             c.fail(fmt::format("Shapes must be equal: the variable has {}, its gradient {}",
                                c.shape(0).brackets(), c.shape(grad).brackets()));
           c.output(c.shape(0), c.dtype(0));
         },
         [rule](Translate& c) {
           Update u(c);
           c.out(0, u.logical(rule(u)));
         },
         Differentiable::cut});
}

Value descend(Update& u) { return u.put(0, u.slot(0) - u.in(1) * u.in(2)); }

Value momentum(Update& u) {
  const Value lr = u.in(2), g = u.in(3), mu = u.in(4);
  const Value a = u.put(1, u.slot(1) * mu + g);
  const Value step = u.flag("use_nesterov") ? g * lr + a * mu * lr : a * lr;
  return u.put(0, u.slot(0) - step);
}

Value adagrad(Update& u) {
  const Value g = u.in(3);
  const Value a = u.put(1, u.slot(1) + ops::square(g));
  return u.put(0, u.slot(0) - u.in(2) * g * ops::rsqrt(a));
}

Value adadelta(Update& u) {
  const Value lr = u.in(3), rho = u.in(4), eps = u.in(5), g = u.in(6);
  const Value keep = ops::rsub(1.0, rho), d = u.slot(2);
  const Value a = u.put(1, u.slot(1) * rho + ops::square(g) * keep);
  const Value step = ops::sqrt(d + eps) * ops::rsqrt(a + eps) * g;
  u.put(2, d * rho + ops::square(step) * keep);
  return u.put(0, u.slot(0) - step * lr);
}

Value adam(Update& u) {
  const Value b1_power = u.in(3), b2_power = u.in(4), lr = u.in(5), b1 = u.in(6), b2 = u.in(7),
              eps = u.in(8), g = u.in(9), m0 = u.slot(1), v0 = u.slot(2);
  const Value alpha = lr * ops::sqrt(ops::rsub(1.0, b2_power)) / ops::rsub(1.0, b1_power);
  const Value m = u.put(1, m0 + (g - m0) * ops::rsub(1.0, b1));
  const Value v = u.put(2, v0 + (ops::square(g) - v0) * ops::rsub(1.0, b2));
  const Value direction = u.flag("use_nesterov") ? g * ops::rsub(1.0, b1) + b1 * m : m;
  return u.put(0, u.slot(0) - direction * alpha / (ops::sqrt(v) + eps));
}

/// `at`: where the hyper-parameters begin; `mean` the slot of the gradient's mean (-1: none).
Value rms_prop(Update& u, int mean, int square, int moment, int at) {
  const Value lr = u.in(at), rho = u.in(at + 1), mu = u.in(at + 2), eps = u.in(at + 3),
              g = u.in(at + 4);
  const Value keep = ops::rsub(1.0, rho), s0 = u.slot(square);
  const Value s = u.put(square, s0 + (ops::square(g) - s0) * keep);
  Value under = s + eps;
  if (mean >= 0) {
    const Value m0 = u.slot(mean);
    const Value m = u.put(mean, m0 + (g - m0) * keep);
    under = s - ops::square(m) + eps;
  }
  const Value q = u.put(moment, u.slot(moment) * mu + g * lr * ops::rsqrt(under));
  return u.put(0, u.slot(0) - q);
}

Value ftrl(Update& u, bool shrinks) {
  const Value g = u.in(3), lr = u.in(4), l1 = u.in(5), l2 = u.in(6);
  const Value power = u.in(shrinks ? 8 : 7), w = u.slot(0), n0 = u.slot(1);
  const Value n = n0 + ops::square(g);
  const Value root = ops::pow(n, ops::neg(power)), root0 = ops::pow(n0, ops::neg(power));
  Value slope = g;
  if (shrinks) slope = g + u.in(7) * 2.0 * w;
  const Value z = u.put(2, u.slot(2) + slope - (root - root0) / lr * w);
  u.put(1, n);
  const Value y = root / lr + l2 * 2.0;
  const Value moved = (ops::sign(z) * l1 - z) / y;
  const Value zero = ops::broadcast_to(w.graph->constant(0.0, w.dtype()), w.shape());
  return u.put(0, ops::select(ops::greater(ops::abs(z), l1), moved, zero));
}

}  // namespace

void define_train_ops(SpecTable& t) {
  update(t, "ApplyGradientDescent", {"var", "alpha", "delta"}, 2, descend);
  update(t, "ApplyMomentum", {"var", "accum", "lr", "grad", "momentum"}, 3, momentum);
  update(t, "ApplyAdagrad", {"var", "accum", "lr", "grad"}, 3, adagrad);
  update(t, "ApplyAdadelta", {"var", "accum", "accum_update", "lr", "rho", "epsilon", "grad"}, 6,
         adadelta);
  update(t, "ApplyAdam",
         {"var", "m", "v", "beta1_power", "beta2_power", "lr", "beta1", "beta2", "epsilon", "grad"},
         9, adam);
  update(t, "ApplyRMSProp", {"var", "ms", "mom", "lr", "rho", "momentum", "epsilon", "grad"}, 7,
         [](Update& u) { return rms_prop(u, -1, 1, 2, 3); });
  update(t, "ApplyCenteredRMSProp",
         {"var", "mg", "ms", "mom", "lr", "rho", "momentum", "epsilon", "grad"}, 8,
         [](Update& u) { return rms_prop(u, 1, 2, 3, 4); });
  update(t, "ApplyFtrl", {"var", "accum", "linear", "grad", "lr", "l1", "l2", "lr_power"}, 3,
         [](Update& u) { return ftrl(u, false); });
  update(t, "ApplyFtrlV2",
         {"var", "accum", "linear", "grad", "lr", "l1", "l2", "l2_shrinkage", "lr_power"}, 3,
         [](Update& u) { return ftrl(u, true); });
}

}  // namespace trivium::tf
