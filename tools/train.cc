// trivium train: runs a solver with a progress line, tests the result on everything and writes a
// report.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tools/evaluation.h"
#include "tools/layer_timer.h"
#include "tools/model_file.h"
#include "tools/progress.h"
#include "tools/signals.h"
#include "tools/solver_files.h"
#include "tools/verbs.h"
#include "trivium/engine/core/error.h"
#include "trivium/engine/core/parallel.h"
#include "trivium/formats/file.h"
#include "trivium/notations/caffe/solver.h"

namespace trivium::tools {
namespace {

namespace fs = std::filesystem;

struct TrainOptions {
  std::string solver, resume, report, trace, labels;
  std::vector<std::string> weights;
  bool quiet = false;
};

/// Curves of a run: losses averaged over equal stretches of iterations, so that any run has a few
/// hundred points.
class Curves {
 public:
  explicit Curves(int iterations) : stretch_(std::max(1, iterations / 400)) {}

  void step(const caffe::StepInfo& info) {
    sum_ += info.loss;
    if (++count_ < stretch_) return;
    add(loss_, info.iter, sum_ / count_);
    add(rate_, info.iter, info.rate);
    sum_ = 0;
    count_ = 0;
  }
  void test(const caffe::TestResult& result, const std::string& accuracy,
            const std::vector<std::string>& losses) {
    double loss = 0;
    for (const auto& [name, value] : result.outputs) {
      if (name == accuracy && (accuracy_.xs.empty() || accuracy_.xs.back() != result.iter))
        add(accuracy_, result.iter, value);
      for (const std::string& l : losses)
        if (name == l) loss += value;
    }
    if (!losses.empty()) add(test_loss_, result.iter, loss);
  }
  void fill(TrainingReport& report) const {
    report.loss = {loss_};
    if (!test_loss_.xs.empty()) report.loss.push_back(test_loss_);
    if (!accuracy_.xs.empty()) report.accuracy = {accuracy_};
    report.learning_rate = {rate_};
  }
  double last_test_loss() const { return test_loss_.ys.empty() ? NAN : test_loss_.ys.back(); }

 private:
  static void add(Series& series, double x, double y) {
    series.xs.push_back(x);
    series.ys.push_back(y);
  }
  Series loss_{"train", {}, {}}, test_loss_{"test", {}, {}}, accuracy_{"test", {}, {}},
      rate_{"learning rate", {}, {}};
  int stretch_, count_ = 0;
  double sum_ = 0;
};

std::vector<std::string> loss_blobs(const caffe::Net& net) {
  std::vector<std::string> names;
  for (int blob : net.outputs())
    if (net.blobs()[blob].loss_weight != 0) names.push_back(net.blobs()[blob].name);
  return names;
}

/// A long run must not end with a report that cannot be written.
void check_writable(const std::string& file) {
  if (file.empty()) return;
  const fs::path folder = fs::absolute(file).parent_path();
  if (access(folder.c_str(), W_OK) != 0)
    environment_error("{}: the folder {} is not there or cannot be written to", file,
                      folder.string());
}

std::vector<std::string> read_labels(const std::string& path) {
  std::vector<std::string> names;
  if (path.empty()) return names;
  std::ifstream in(path);
  if (!in) environment_error("{}: the file of class names cannot be opened", path);
  for (std::string line; std::getline(in, line);) names.push_back(line);
  return names;
}

double peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

/// One training run with everything that watches it.
class Training {
 public:
  explicit Training(TrainOptions options) : options_(std::move(options)) {}
  void run();

 private:
  void build();
  void show_setup();
  void evaluate_nets();
  void write_reports();
  std::string data_text() const;

  TrainOptions options_;
  std::vector<std::string> class_names_;
  std::unique_ptr<SignalActions> signals_;
  std::unique_ptr<run::Profile> profile_;
  std::unique_ptr<Progress> progress_;
  std::unique_ptr<Curves> curves_;
  std::unique_ptr<caffe::Solver> solver_;
  std::optional<Evaluation> evaluation_;
  double training_seconds_ = 0;
  int first_iter_ = 0;
  bool finished_ = true;
};

void Training::build() {
  caffe::SolverFile file = read_solver(options_.solver, nullptr);
  if (!options_.weights.empty()) {
    file.solver.clear_weights();
    for (const std::string& name : options_.weights) file.solver.add_weights(name);
  }
  if (!options_.resume.empty()) file.solver.clear_weights();
  signals_ =
      std::make_unique<SignalActions>(caffe::SolverAction::stop, caffe::SolverAction::snapshot);
  if (!options_.trace.empty()) profile_ = std::make_unique<run::Profile>();
  caffe::SolverOptions options;
  options.poll = [this] { return signals_->poll(); };
  options.profile = profile_.get();
  options.on_step = [this](const caffe::StepInfo& info) {
    curves_->step(info);
    progress_->step(info);
  };
  options.on_test = [this](const caffe::TestResult& result) {
    const caffe::Net& net = *solver_->test_nets()[result.net];
    if (result.net == 0) curves_->test(result, accuracy_blob(net), loss_blobs(net));
    progress_->test(result);
  };
  options.log = [this](caffe::LogLevel level, const std::string& text) {
    if (level == caffe::LogLevel::warning || level == caffe::LogLevel::error)
      fmt::print(stderr, "{}\n", text);
    else if (progress_ && text.starts_with("Snapshotting solver state"))
      progress_->note(text);
  };
  solver_ = std::make_unique<caffe::Solver>(file, std::move(options));
  if (!options_.resume.empty()) solver_->restore(options_.resume);
  first_iter_ = solver_->iter();
}

void Training::show_setup() {
  Progress::Options show;
  show.terminal = isatty(STDOUT_FILENO);
  show.quiet = options_.quiet;
  show.every = solver_->param().display() > 0 ? solver_->param().display()
                                              : std::max(1, solver_->param().max_iter() / 100);
  show.batch = batch_size(solver_->net()) * solver_->param().iter_size();
  if (!solver_->test_nets().empty()) show.accuracy = accuracy_blob(*solver_->test_nets()[0]);
  progress_ = std::make_unique<Progress>(show);
  curves_ = std::make_unique<Curves>(solver_->param().max_iter() - solver_->iter());
  int64_t parameters = 0;
  for (int p : solver_->net().learnable())
    parameters += solver_->net().params()[p].cell->value().count();
  progress_->note(fmt::format("{}: {} parameters, batches of {}, iterations {} to {}, {} {}",
                              solver_->net().name().empty() ? "net" : solver_->net().name(),
                              parameters, show.batch, solver_->iter(), solver_->param().max_iter(),
                              threads(), threads() == 1 ? "thread" : "threads"));
}

void Training::evaluate_nets() {
  if (!finished_ || solver_->test_nets().empty()) return;
  caffe::Net& net = *solver_->test_nets()[0];
  const int64_t pass = batches_in_pass(net);
  evaluation_ = evaluate(net, pass ? pass : solver_->param().test_iter(0));
  if (evaluation_ && evaluation_->examples)
    progress_->note(fmt::format("tested on {} examples: {} right, accuracy {:.2f} %",
                                evaluation_->examples, evaluation_->correct,
                                100 * evaluation_->accuracy()));
}

std::string Training::data_text() const {
  for (const caffe::NetLayer& layer : solver_->net().layers()) {
    if (layer.type() == "Data") return layer.param.data_param().source();
    if (layer.type() == "HDF5Data") return layer.param.hdf5_data_param().source();
    if (layer.type() == "ImageData") return layer.param.image_data_param().source();
  }
  return "";
}

void Training::write_reports() {
  if (profile_) formats::write_file_atomically(options_.trace, profile_->chrome_trace());
  if (options_.report.empty()) return;
  TrainingReport report;
  caffe::Net& net = solver_->net();
  report.title = fmt::format("{} trained with {}", net.name().empty() ? "Net" : net.name(),
                             solver_->param().type());
  report.subtitle =
      fmt::format("{}{}{}", options_.solver, data_text().empty() ? "" : " on ", data_text());
  curves_->fill(report);
  report.class_names = class_names_;
  const double steps = solver_->iter() - first_iter_;
  auto& summary = report.summary;
  if (evaluation_ && evaluation_->examples) {
    report.confusion = evaluation_->confusion;
    report.misclassified = evaluation_->misclassified;
    summary.push_back({"test accuracy", fmt::format("{:.2f} %", 100 * evaluation_->accuracy())});
  }
  if (std::isfinite(curves_->last_test_loss()))
    summary.push_back({"test loss", fmt::format("{:.4g}", curves_->last_test_loss())});
  summary.push_back({"training time", duration_text(training_seconds_)});
  if (const double speed = progress_->examples_per_second(); speed > 0)
    summary.push_back({"images a second", fmt::format("{:.0f}", speed)});
  int64_t parameters = 0;
  for (int p : net.learnable()) parameters += net.params()[p].cell->value().count();
  const double peak = peak_megabytes();
  summary.push_back({"parameters", fmt::format("{}", parameters)});
  summary.push_back(
      {"iterations", fmt::format("{} ({} to {})", steps, first_iter_, solver_->iter())});
  summary.push_back({"batch", fmt::format("{}", batch_size(net) * solver_->param().iter_size())});
  summary.push_back({"solver", fmt::format("{}, {} learning rate from {}", solver_->param().type(),
                                           solver_->param().lr_policy(),
                                           number_text(solver_->param().base_lr()))});
  if (evaluation_ && evaluation_->examples)
    summary.push_back({"test examples", fmt::format("{}", evaluation_->examples)});
  summary.push_back({"threads", fmt::format("{}", threads())});
  summary.push_back({"peak memory", fmt::format("{:.0f} MB", peak)});
  summary.push_back(
      {"weights",
       fmt::format("{}_iter_{}.caffemodel{}", solver_->param().snapshot_prefix(), solver_->iter(),
                   solver_->param().snapshot_format() == caffe::proto::SolverParameter::HDF5
                       ? ".h5"
                       : "")});
  LayerTimer timer(net);
  timer.run();
  timer.reset();
  for (double spent = 0; timer.runs() < 50 && spent < 2000;) spent += timer.run();
  report.layers = timer.layers();
  report.command = command_line();
  write_report(options_.report, report);
  progress_->note(fmt::format("report: {}", options_.report));
}

void Training::run() {
  check_writable(options_.report);
  check_writable(options_.trace);
  class_names_ = read_labels(options_.labels);
  build();
  show_setup();
  try {
    finished_ = solver_->solve();
  } catch (...) {
    progress_->finish();
    throw;
  }
  progress_->finish();
  training_seconds_ = progress_->seconds();
  progress_->note(fmt::format("{} after {}",
                              finished_ ? "trained" : "stopped early; go on with --resume",
                              duration_text(training_seconds_)));
  signals_.reset();
  evaluate_nets();
  write_reports();
}

}  // namespace

void add_train(CLI::App& program) {
  auto options = std::make_shared<TrainOptions>();
  CLI::App* verb = program.add_subcommand("train", "train a net as a solver file says");
  verb->add_option("--solver", options->solver, "the solver's prototxt")->required();
  auto* weights =
      verb->add_option("--weights", options->weights, "weights to start from (.caffemodel or .h5)")
          ->delimiter(',');
  verb->add_option("--resume,--snapshot", options->resume, "solver state to go on from")
      ->excludes(weights);
  verb->add_option("--report", options->report,
                   "write a report with curves, mistakes and times to this HTML file");
  verb->add_option("--labels", options->labels, "names of the classes for the report, one a line");
  verb->add_option("--trace", options->trace,
                   "write what each step took, for chrome://tracing or ui.perfetto.dev");
  verb->add_flag("--quiet", options->quiet, "show nothing but errors");
  add_threads_option(*verb);
  verb->footer(
      "Ctrl-C stops after the current step and writes a snapshot; a hang-up writes one and goes "
      "on.\n"
      "example: trivium train --solver examples/mnist/lenet_solver.prototxt --report report.html");
  verb->callback([options] { Training(*options).run(); });
}

}  // namespace trivium::tools
