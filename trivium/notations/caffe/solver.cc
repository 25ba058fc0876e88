#include "trivium/notations/caffe/solver.h"

#include <sys/stat.h>

#include <cmath>

#include "trivium/engine/ops/build.h"
#include "trivium/notations/caffe/lr_policy.h"
#include "trivium/notations/caffe/print.h"
#include "trivium/notations/caffe/solver_program.h"

namespace trivium::caffe {
namespace {

std::string in_folder(const std::string& folder, const std::string& path) {
  return folder.empty() || path.empty() || path[0] == '/' ? path : folder + "/" + path;
}

/// Lines of a net written inside the solver file.
SourceMap lines_of(const NetLines& nets, const std::string& path) {
  const auto at = nets.find(path);
  return at == nets.end() ? SourceMap() : at->second;
}

std::string number(double v) { return fmt::format("{:g}", v); }

/// "loss = 0.5 (* 2 = 1 loss)"
std::string output_text(const std::string& blob, float value, float weight) {
  std::string text = fmt::format("{} = {}", blob, number(value));
  if (weight != 0) text += fmt::format(" (* {} = {} loss)", number(weight), number(weight * value));
  return text;
}

}  // namespace

Solver::Solver(const SolverFile& file, SolverOptions options)
    : param_(file.solver), options_(std::move(options)), rule_(file.solver) {
  check();
  log("Initializing solver from parameters: \n" + to_prototxt(param_));
  if (param_.snapshot() > 0) probe_prefix();
  random_ = param_.random_seed() >= 0
                ? std::make_shared<RandomState>(static_cast<uint32_t>(param_.random_seed()))
                : std::make_shared<RandomState>();
  make_train_net(file);
  make_test_nets(file);
  log("Solver scaffolding done.");
  make_history();
}

Solver::~Solver() = default;

void Solver::log(const std::string& text, LogLevel level) const {
  if (options_.log) options_.log(level, text);
}

void Solver::log_all(LogLines& lines) const {
  for (const LogLine& line : lines) log(line.text, line.level);
  lines.clear();
}

void Solver::check() const {
  const auto& p = param_;
  if (p.iter_size() < 1)
    user_error("solver: iter_size: at least 1 expected, received {}", p.iter_size());
  if (p.average_loss() < 1)
    user_error("solver: average_loss: at least 1 expected, received {}", p.average_loss());
  if (p.snapshot() > 0 && p.snapshot_prefix().empty())
    user_error("solver: snapshot {} needs snapshot_prefix, the start of the files' names",
               p.snapshot());
  const int own = p.has_train_net_param() + p.has_train_net() + p.has_net_param() + p.has_net();
  if (own == 0)
    user_error("solver: no train net; give one of net, net_param, train_net, train_net_param");
  if (own > 1)
    user_error(
        "solver: {} train nets given; expected exactly one of net, net_param, train_net, "
        "train_net_param",
        own);
}

std::unique_ptr<Net> Solver::build(proto::NetParameter net, const proto::NetState& wanted,
                                   proto::Phase phase, SourceMap lines, const Net* share_with) {
  proto::NetState state;
  state.set_phase(phase);
  state.MergeFrom(net.state());
  state.MergeFrom(wanted);
  *net.mutable_state() = state;
  NetOptions options;
  options.lines = std::move(lines);
  options.share_with = share_with;
  options.random = random_;
  options.log = options_.log;
  options.folder = options_.folder;
  options.compile = options_.compile;
  return std::make_unique<Net>(net, std::move(options));
}

void Solver::make_train_net(const SolverFile& file) {
  proto::NetParameter net;
  SourceMap lines;
  const auto read = [&](const char* field, const std::string& path) {
    log(fmt::format("Creating training net from {} file: {}", field, path));
    LogLines upgrades;
    NetFile f;
    try {
      f = read_net_file(in_folder(options_.folder, path), &upgrades);
    } catch (...) {
      log_all(upgrades);
      throw;
    }
    log_all(upgrades);
    net = std::move(f.net);
    lines = std::move(f.lines);
  };
  const auto& p = param_;
  if (p.has_train_net_param() || p.has_net_param()) {
    const char* field = p.has_train_net_param() ? "train_net_param" : "net_param";
    log(fmt::format("Creating training net specified in {}.", field));
    net = p.has_train_net_param() ? p.train_net_param() : p.net_param();
    lines = lines_of(file.nets, field);
  } else {
    read(p.has_train_net() ? "train_net" : "net", p.has_train_net() ? p.train_net() : p.net());
  }
  net_ = build(std::move(net), p.train_state(), proto::TRAIN, std::move(lines), nullptr);
  load_weights(*net_);
}

void Solver::add_test_net(proto::NetParameter net, SourceMap lines, const std::string& source,
                          int index) {
  log(fmt::format("Creating test net (#{}) specified by {}", index, source));
  const proto::NetState wanted =
      index < param_.test_state_size() ? param_.test_state(index) : proto::NetState();
  test_nets_.push_back(build(std::move(net), wanted, proto::TEST, std::move(lines), net_.get()));
  load_weights(*test_nets_.back());
}

void Solver::make_test_nets(const SolverFile& file) {
  const auto& p = param_;
  const int explicit_nets = p.test_net_param_size() + p.test_net_size();
  const bool general = p.has_net_param() || p.has_net();
  if (general ? p.test_iter_size() < explicit_nets : p.test_iter_size() != explicit_nets)
    user_error("solver: test_iter: {} {} expected, one per test net; received {}",
               general ? "at least" : "exactly", explicit_nets, p.test_iter_size());
  const int total = general ? p.test_iter_size() : explicit_nets;
  if (p.test_state_size() && p.test_state_size() != total)
    user_error("solver: test_state: none or one per test net ({}) expected, received {}", total,
               p.test_state_size());
  if (total > 0 && p.test_interval() <= 0)
    user_error(
        "solver: test_interval: more than 0 expected because there are test nets, received {}",
        p.test_interval());
  int index = 0;
  const auto from_file = [&](const char* field, const std::string& path) {
    const std::string where = in_folder(options_.folder, path);
    LogLines upgrades;
    NetFile f = read_net_file(where, &upgrades);
    log_all(upgrades);
    add_test_net(std::move(f.net), std::move(f.lines), fmt::format("{} file: {}", field, path),
                 index++);
  };
  for (const auto& net : p.test_net_param()) {
    add_test_net(net, lines_of(file.nets, fmt::format("test_net_param[{}]", index)),
                 "test_net_param", index);
    ++index;
  }
  for (const std::string& path : p.test_net()) from_file("test_net", path);
  while (index < total) {
    if (p.has_net_param()) {
      add_test_net(p.net_param(), lines_of(file.nets, "net_param"), "net_param", index);
      ++index;
    } else {
      from_file("net", p.net());
    }
  }
}

void Solver::load_weights(Net& net) const {
  for (const std::string& entry : param_.weights()) {
    size_t begin = 0;
    while (begin <= entry.size()) {
      const size_t comma = std::min(entry.find(',', begin), entry.size());
      std::string name = entry.substr(begin, comma - begin);
      begin = comma + 1;
      const size_t first = name.find_first_not_of(" \t"), last = name.find_last_not_of(" \t");
      if (first == std::string::npos) continue;
      name = name.substr(first, last - first + 1);
      log("Finetuning from " + name);
      net.copy_trained_from(in_folder(options_.folder, name));
    }
  }
}

void Solver::make_history() {
  history_.resize(rule_.slots());
  for (int slot = 0; slot < rule_.slots(); ++slot)
    for (int p : net_->learnable()) {
      const Shape& shape = net_->params()[p].cell->shape();
      history_[slot].push_back(std::make_shared<Cell>(
          fmt::format("history {}", history_[slot].size()), Array::zeros(shape)));
    }
  for (int p : net_->learnable()) {
    const Shape& shape = net_->params()[p].cell->shape();
    if (param_.iter_size() > 1)
      accumulated_.push_back(std::make_shared<Cell>("accumulated", Array::zeros(shape)));
    if (param_.snapshot_diff())
      applied_.push_back(std::make_shared<Cell>("applied", Array::zeros(shape)));
  }
}

std::vector<Array> Solver::history() const {
  std::vector<Array> all;
  for (const auto& slot : history_)
    for (const CellRef& cell : slot) all.push_back(cell->value());
  return all;
}

std::vector<Array> Solver::applied() const {
  std::vector<Array> all;
  for (const CellRef& cell : applied_) all.push_back(cell->value());
  return all;
}

float Solver::rate() {
  LogLines lines;
  const float rate = learning_rate(param_, iter_, &current_step_, &lines);
  log_all(lines);
  return rate;
}

SolverAction Solver::take_action() { return options_.poll ? options_.poll() : SolverAction::none; }

bool Solver::solve(const std::string& resume) {
  log("Solving " + net_->name());
  log("Learning Rate Policy: " + param_.lr_policy());
  early_exit_ = false;
  if (!resume.empty()) {
    log("Restoring previous solver status from " + resume);
    restore(resume);
  }
  const int start = iter_;
  step(param_.max_iter() - iter_);
  const bool just_written =
      param_.snapshot() > 0 && iter_ % param_.snapshot() == 0 && iter_ != start;
  if (param_.snapshot_after_train() && !just_written && !param_.snapshot_prefix().empty())
    snapshot();
  if (early_exit_) {
    log("Optimization stopped early.");
    return false;
  }
  if (param_.display() && iter_ % param_.display() == 0) final_display();
  if (param_.test_interval() && iter_ % param_.test_interval() == 0) test_all();
  log("Optimization Done.");
  return true;
}

void Solver::final_display() {
  Program& p = program(param_.debug_info());
  const float loss = p.forward_only(*net_);
  smooth(loss);
  if (param_.debug_info())
    for (const auto& [text, value] : p.forward_only_lines())
      log(fmt::format("{}{}", text, number(value)));
  log(fmt::format("Iteration {}, loss = {}", iter_, number(smoothed_)));
}

void Solver::smooth(float loss) {
  const size_t window = param_.average_loss();
  losses_.push_back(loss);
  if (losses_.size() > window) losses_.pop_front();
  double sum = 0;
  for (float l : losses_) sum += l;
  smoothed_ = static_cast<float>(sum / losses_.size());
}

void Solver::step(int iterations) {
  const int stop = iter_ + iterations;
  losses_.clear();
  smoothed_ = 0;
  display_iter_ = iter_;
  display_time_ = std::chrono::steady_clock::now();
  while (iter_ < stop) {
    if (param_.test_interval() && iter_ % param_.test_interval() == 0 &&
        (iter_ > 0 || param_.test_initialization())) {
      test_all();
      if (early_exit_) break;
    }
    const bool display = param_.display() && iter_ % param_.display() == 0;
    const float loss = forward_backward_update(display);
    ++iter_;
    if (options_.on_step) options_.on_step({iter_, param_.max_iter(), loss, smoothed_, rate_});
    const SolverAction action = take_action();
    const bool due = param_.snapshot() > 0 && iter_ % param_.snapshot() == 0;
    if (due || action == SolverAction::snapshot) snapshot();
    if (action == SolverAction::stop) {
      early_exit_ = true;
      break;
    }
  }
}

float Solver::forward_backward_update(bool display) {
  LogLines rate_lines;
  rate_ = learning_rate(param_, iter_, &current_step_, &rate_lines);
  const bool debug = display && param_.debug_info();
  float loss = 0;
  Program* p = nullptr;
  for (int pass = 0; pass < param_.iter_size(); ++pass) {
    net_->advance();
    p = &program(debug);
    loss += p->run_pass(*net_, rule_, {rate_, iter_}, options_.profile);
    if (debug) log_debug(*p);
  }
  loss /= static_cast<float>(param_.iter_size());
  p->run_update(rule_, {rate_, iter_}, options_.profile);
  smooth(loss);
  if (display) log_display(*p);
  check_finite(loss);
  log_all(rate_lines);
  if (display) log(fmt::format("Iteration {}, lr = {}", iter_, number(rate_)));
  if (p->has_norm()) log_clip(p->norm());
  return loss;
}

void Solver::log_display(const Program& p) {
  const auto now = std::chrono::steady_clock::now();
  const double seconds = std::chrono::duration<double>(now - display_time_).count();
  const double speed = seconds > 0 ? (iter_ - display_iter_) / seconds : 0;
  log(fmt::format("Iteration {} ({} iter/s, {}s/{} iters), loss = {}", iter_,
                  number(static_cast<float>(speed)), number(static_cast<float>(seconds)),
                  param_.display(), number(smoothed_)));
  display_time_ = now;
  display_iter_ = iter_;
  int k = 0;
  const auto& ids = net_->outputs();
  for (size_t i = 0; i < ids.size(); ++i)
    for (int64_t e = 0; e < p.output(i).count(); ++e)
      log(fmt::format("    Train net output #{}: {}", k++,
                      output_text(net_->blobs()[ids[i]].name, static_cast<float>(p.output(i).at(e)),
                                  net_->blobs()[ids[i]].loss_weight)));
}

void Solver::log_debug(const Program& p) {
  for (const auto& [text, value] : p.forward_lines()) log(fmt::format("{}{}", text, number(value)));
  for (const auto& [text, value] : p.backward_lines())
    log(fmt::format("{}{}", text, number(value)));
  const auto n = p.norms();
  log(fmt::format(
          "    [Backward] All net params (data, diff): L1 norm = ({}, {}); L2 norm = ({}, {})",
          number(n[0]), number(n[1]), number(n[2]), number(n[3])),
      LogLevel::error);
}

void Solver::log_clip(double norm) const {
  const float clip = param_.clip_gradients();
  if (norm > clip)
    log(fmt::format(
        "Gradient clipping: scaling down gradients (L2 norm {} > {}) by scale factor {}",
        number(norm), number(clip), number(static_cast<float>(clip / norm))));
}

void Solver::check_finite(float loss) const {
  if (std::isfinite(loss) || !options_.stop_on_nan) return;
  std::string where;
  for (size_t l = 0; l < net_->layers().size(); ++l)
    for (size_t t = 0; t < net_->layers()[l].tops.size(); ++t)
      if (net_->layers()[l].loss_weights.size() > t && net_->layers()[l].loss_weights[t] != 0)
        where += fmt::format("\n  {}, top \"{}\" {}", net_->describe(static_cast<int>(l)),
                             net_->blobs()[net_->layers()[l].tops[t]].name,
                             net_->recording().tops[l][t].shape().text());
  user_error(
      "training: the loss of iteration {} is {} (learning rate {}); loss layers:{}\n"
      "  nothing was written; lower base_lr, set clip_gradients, or look for bad values in the "
      "data, and go on "
      "from the last snapshot",
      iter_, number(loss), number(rate_), where);
}

Solver::Program& Solver::program(bool debug) {
  if (program_generation_ != net_->generation()) {
    program_.reset();
    debug_program_.reset();
    program_generation_ = net_->generation();
  }
  auto& slot = debug ? debug_program_ : program_;
  if (!slot) {
    std::vector<UpdateParam> params;
    for (size_t i = 0; i < net_->learnable().size(); ++i) {
      const NetParam& np = net_->params()[net_->learnable()[i]];
      UpdateParam u{
          np.cell, {}, {}, np.lr_mult, np.decay_mult, applied_.empty() ? nullptr : applied_[i]};
      for (const auto& history : history_) u.history.push_back(history[i]);
      params.push_back(std::move(u));
    }
    slot = std::make_unique<Program>(*net_, rule_, std::move(params), accumulated_, debug,
                                     options_.compile);
  }
  return *slot;
}

TestResult Solver::test(int index) {
  Net& net = *test_nets_.at(index);
  log(fmt::format("Iteration {}, Testing net (#{})", iter_, index));
  TestResult result{index, iter_, 0, {}};
  std::vector<double> sums;
  double loss_sum = 0;
  const int batches = param_.test_iter(index);
  for (int b = 0; b < batches; ++b) {
    for (SolverAction a = take_action(); a != SolverAction::none; a = take_action()) {
      if (a == SolverAction::snapshot) snapshot();
      if (a == SolverAction::stop) early_exit_ = true;
    }
    if (early_exit_) {
      log("Test interrupted.");
      return result;
    }
    double loss = 0;
    const std::vector<Array> outputs = net.forward_outputs(&loss);
    loss_sum += loss;
    size_t k = 0;
    for (const Array& a : outputs)
      for (int64_t e = 0; e < a.count(); ++e, ++k) {
        if (b == 0) sums.push_back(0);
        sums[k] += a.at(e);
      }
    if (b + 1 < batches) continue;
    k = 0;
    for (size_t i = 0; i < outputs.size(); ++i)
      for (int64_t e = 0; e < outputs[i].count(); ++e, ++k)
        result.outputs.push_back(
            {net.blobs()[net.outputs()[i]].name, static_cast<float>(sums[k] / batches)});
  }
  result.loss = loss_sum / std::max(batches, 1);
  if (param_.test_compute_loss()) log("Test loss: " + number(result.loss));
  for (size_t k = 0; k < result.outputs.size(); ++k) {
    const auto& [name, mean] = result.outputs[k];
    log(fmt::format("    Test net output #{}: {}", k,
                    output_text(name, mean, net.blobs()[net.blob_index(name)].loss_weight)));
  }
  if (options_.on_test) options_.on_test(result);
  return result;
}

void Solver::test_all() {
  for (size_t i = 0; i < test_nets_.size() && !early_exit_; ++i) test(static_cast<int>(i));
}

}  // namespace trivium::caffe
