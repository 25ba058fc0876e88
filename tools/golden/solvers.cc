// Section solvers: parameters, histories, rates and losses of the six update rules, step by step.
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "tools/golden/golden.h"
#include "trivium/formats/npy.h"
#include "trivium/notations/caffe/prototxt.h"
#include "trivium/notations/caffe/solver.h"
#include "trivium/notations/caffe/upgrade.h"

namespace trivium::golden {
namespace {

constexpr const char* kGroup = "solvers";

struct Run {
  std::vector<double> rates, losses;
  std::unique_ptr<caffe::Solver> solver;
};

/// The solver of a case, logging into `run`, with snapshots going to `prefix`.
void start(const std::string& folder, const std::string& text, const std::string& name,
           const std::string& prefix, Run& run) {
  caffe::SolverFile file;
  caffe::parse_prototxt(text, name, &file.solver);
  file.solver = caffe::upgrade_solver(file.solver, name);
  file.solver.set_snapshot_prefix(prefix);
  file.solver.set_snapshot_after_train(false);
  file.solver.set_snapshot_diff(true);
  file.solver.add_weights("init.caffemodel");
  caffe::SolverOptions options;
  options.folder = folder + "/solvers";
  options.on_step = [&run](const caffe::StepInfo& s) {
    run.rates.push_back(s.rate);
    run.losses.push_back(s.loss);
  };
  run.solver = std::make_unique<caffe::Solver>(file, options);
}

Array joined(const std::vector<Array>& arrays) {
  std::vector<float> all;
  for (const Array& a : arrays)
    all.insert(all.end(), a.span<float>().begin(), a.span<float>().end());
  return Array::from(all, Shape{static_cast<int64_t>(all.size())});
}

Array parameters(caffe::Solver& solver) {
  std::vector<Array> all;
  for (int p : solver.net().learnable()) all.push_back(solver.net().params()[p].cell->value());
  return joined(all);
}

class Case {
 public:
  Case(const formats::NpzFile& file, const std::string& name, Report& report)
      : file_(file), name_(name), report_(report) {}

  void expect(const std::string& key, const Array& got, double relative = 1e-4) {
    if (!file_.contains(name_ + "/" + key)) return;
    double worst = 0;
    const Tolerance tolerance{relative, 1e-2, 0};
    const std::string text = compare(got, file_.read(name_ + "/" + key), tolerance, &worst);
    report_.difference(kGroup, worst);
    if (!text.empty() && problem_.empty()) problem_ = key + ": " + text;
  }
  /// Logged numbers have six digits.
  void expect_logged(const std::string& key, const std::vector<double>& got) {
    if (!file_.contains(name_ + "/" + key)) return;
    const Array want = file_.read(name_ + "/" + key);
    for (int64_t i = 0; i < want.count(); ++i)
      if (i >= static_cast<int64_t>(got.size()) ||
          std::abs(got[i] - want.at(i)) > 1e-5 * std::abs(want.at(i)) + 1e-9)
        if (problem_.empty())
          problem_ = fmt::format("{} of iteration {}: {} received, {} expected", key, i, got[i],
                                 want.at(i));
  }
  const std::string& problem() const { return problem_; }

 private:
  const formats::NpzFile& file_;
  const std::string& name_;
  Report& report_;
  std::string problem_;
};

std::string run_case(const std::string& folder, const formats::NpzFile& file,
                     const std::string& name, Report& report) {
  const Array text = file.read(name + "/solver");
  const std::string solver_text(static_cast<const char*>(text.raw()), text.bytes());
  const std::string prefix =
      (std::filesystem::temp_directory_path() / fmt::format("trivium_golden_{}", getpid()))
          .string();
  Run run;
  start(folder, solver_text, name, prefix, run);
  Case c(file, name, report);
  std::string state;
  for (int done : {1, 2, 5, 20}) {
    run.solver->step(done - run.solver->iter());
    c.expect(fmt::format("W{}", done), parameters(*run.solver));
    if (done == 2 || done == 20) c.expect(fmt::format("H{}", done), joined(run.solver->history()));
  }
  c.expect("update_last", joined(run.solver->applied()));
  c.expect_logged("lr", run.rates);
  c.expect_logged("loss", run.losses);
  state = run.solver->snapshot();
  if (file.contains(name + "/W25_restored")) {
    Run again;
    start(folder, solver_text, name, prefix, again);
    again.solver->restore(state, false);  // Caffe's runs begin the data anew
    again.solver->step(5);
    c.expect("W25_restored", parameters(*again.solver));
  }
  std::filesystem::remove(state);
  std::filesystem::remove(state.substr(0, state.size() - 11) + "caffemodel");
  return c.problem();
}

}  // namespace

void run_solvers(const std::string& folder, Report& report) {
  const formats::NpzFile file(folder + "/solvers.npz");
  for (const Row& row : read_tsv(folder + "/solvers.tsv")) {
    const std::string& name = row.at("case");
    try {
      const std::string problem = run_case(folder, file, name, report);
      if (problem.empty())
        report.pass(kGroup);
      else
        report.fail(kGroup, name, problem);
    } catch (const Error& error) {
      report.fail(kGroup, name, error.what());
    }
  }
}

}  // namespace trivium::golden
