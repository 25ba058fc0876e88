// Section training: seeded runs on real data, loss by loss. The databases are made here, from
// data/mnist of the repository and, when TRIVIUM_CIFAR10 names a folder with the binary batches,
// CIFAR-10.
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "tools/golden/golden.h"
#include "trivium/formats/caffemodel.h"
#include "trivium/formats/cifar.h"
#include "trivium/formats/datum.h"
#include "trivium/formats/db.h"
#include "trivium/formats/file.h"
#include "trivium/formats/idx.h"
#include "trivium/notations/caffe/prototxt.h"
#include "trivium/notations/caffe/solver.h"
#include "trivium/notations/caffe/upgrade.h"

namespace trivium::golden {
namespace {

namespace fs = std::filesystem;
constexpr const char* kGroup = "training";

/// A folder of its own, removed at the end.
struct Workplace {
  fs::path path = fs::temp_directory_path() / fmt::format("trivium_training_{}", getpid());
  Workplace() { fs::create_directories(path); }
  ~Workplace() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

void make_mnist(const fs::path& source, const fs::path& target, const char* stem) {
  const Array images =
      formats::read_idx((source / fmt::format("{}-images-idx3-ubyte.gz", stem)).string()).array;
  const Array labels =
      formats::read_idx((source / fmt::format("{}-labels-idx1-ubyte.gz", stem)).string()).array;
  auto db = formats::DatabaseWriter::create(target.string(), formats::DatabaseKind::lmdb);
  const int64_t bytes = images.shape().count(1);
  for (int64_t i = 0; i < images.shape()[0]; ++i) {
    const Array one(Shape{1, images.shape()[1], images.shape()[2]}, DType::u8, images.buffer(),
                    static_cast<size_t>(i * bytes));
    db->put(fmt::format("{:08}", i),
            formats::serialize_datum(formats::array_to_datum(one, static_cast<int>(labels.at(i)))));
  }
  db->commit();
}

/// Copies the examples' definitions and makes the databases they name.
void furnish(const Workplace& work, const fs::path& repository) {
  fs::create_directories(work.path / "examples");
  fs::copy(repository / "examples", work.path / "examples",
           fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  for (const auto& entry : fs::directory_iterator(work.path / "examples/mnist"))
    if (entry.is_directory()) fs::remove_all(entry.path());
  make_mnist(repository / "data/mnist", work.path / "examples/mnist/mnist_train_lmdb", "train");
  make_mnist(repository / "data/mnist", work.path / "examples/mnist/mnist_test_lmdb", "t10k");
}

void make_cifar(const Workplace& work, const fs::path& source) {
  const fs::path target = work.path / "examples/cifar10";
  std::vector<double> sums(3 * 32 * 32, 0.0);
  const auto add = [&](formats::DatabaseWriter& db, const std::string& file, int64_t first,
                       bool mean) {
    const auto batch = formats::read_cifar10((source / file).string());
    for (int64_t i = 0; i < batch.images.shape()[0]; ++i) {
      const Array one(Shape{3, 32, 32}, DType::u8, batch.images.buffer(),
                      static_cast<size_t>(i * 3072));
      if (mean)
        for (int k = 0; k < 3072; ++k) sums[k] += one.data<uint8_t>()[k];
      db.put(fmt::format("{:05}", first + i), formats::serialize_datum(formats::array_to_datum(
                                                  one, static_cast<int>(batch.labels.at(i)))));
    }
    db.commit();
  };
  fs::remove_all(target / "cifar10_train_lmdb");
  fs::remove_all(target / "cifar10_test_lmdb");
  auto train = formats::DatabaseWriter::create((target / "cifar10_train_lmdb").string(),
                                               formats::DatabaseKind::lmdb);
  for (int b = 0; b < 5; ++b) add(*train, fmt::format("data_batch_{}.bin", b + 1), b * 10000, true);
  auto test = formats::DatabaseWriter::create((target / "cifar10_test_lmdb").string(),
                                              formats::DatabaseKind::lmdb);
  add(*test, "test_batch.bin", 0, false);
  Array mean(Shape{3, 32, 32}, DType::f32);
  for (int k = 0; k < 3072; ++k) mean.data<float>()[k] = static_cast<float>(sums[k] / 50000);
  formats::write_mean_file((target / "mean.binaryproto").string(), mean);
}

/// What Caffe printed in this run: once for every way its sums were rounded. See
/// tests/golden/caffe_rounding for why there is more than one.
std::map<std::string, std::vector<double>> recordings(const std::string& name,
                                                      const nlohmann::json& run,
                                                      const fs::path& repository) {
  std::map<std::string, std::vector<double>> all;
  for (const auto& [how, result] : run["results"].items())
    for (const char* key : {"loss_0_to_50", "loss_0_to_30"})
      if (result.contains(key)) all[how] = result[key].get<std::vector<double>>();
  std::ifstream in(repository / "tests/golden/caffe_rounding/losses.json");
  const nlohmann::json rounded = nlohmann::json::parse(in);
  if (rounded.contains(name))
    for (const auto& [how, losses] : rounded[name].items())
      all[how] = losses.get<std::vector<double>>();
  return all;
}

/// Where two runs part: the first iteration whose losses differ by more than `relative`.
struct Parting {
  std::string from;
  size_t iteration = 0;
  double expected = 0;
  double largest = 0;  // relative difference before that
};

Parting parting(const std::string& from, const std::vector<double>& want,
                const std::vector<double>& losses, double relative) {
  Parting p{from, 0, 0, 0};
  for (; p.iteration < want.size(); ++p.iteration) {
    const double difference = std::abs(losses[p.iteration] - want[p.iteration]) / want[p.iteration];
    p.expected = want[p.iteration];
    if (!(difference <= relative)) break;
    p.largest = std::max(p.largest, difference);
  }
  return p;
}

/// Trains as recorded; all losses must follow one of the recordings.
std::string follow(const Workplace& work, const std::string& name, const nlohmann::json& net,
                   const nlohmann::json& run, double relative, const fs::path& repository,
                   Report& report) {
  if (net.contains("prototxt"))
    std::ofstream(work.path / (name == "mlp_dropout" ? "mlp.prototxt" : name + ".prototxt"))
        << net["prototxt"].get<std::string>();
  caffe::SolverFile file;
  caffe::parse_prototxt(run["solver"].get<std::string>(), name, &file.solver);
  file.solver = caffe::upgrade_solver(file.solver, name);
  file.solver.clear_snapshot();
  file.solver.set_snapshot_after_train(false);
  std::vector<double> losses;
  caffe::SolverOptions options;
  options.folder = work.path.string();
  options.on_step = [&](const caffe::StepInfo& s) { losses.push_back(s.loss); };
  options.compile.numerics = compile::Numerics::exact;
  caffe::Solver solver(file, options);
  const auto wanted = recordings(name, run, repository);
  size_t steps = 0;
  for (const auto& [how, want] : wanted) steps = std::max(steps, want.size());
  solver.step(static_cast<int>(steps));
  Parting best;
  for (const auto& [how, want] : wanted) {
    const Parting p = parting(how, want, losses, relative);
    if (p.iteration == want.size()) {
      report.difference(kGroup, p.largest);
      return "";
    }
    if (best.from.empty() || p.iteration > best.iteration) best = p;
  }
  return fmt::format(
      "loss of iteration {}: {} received, {} expected by the nearest recording, \"{}\" (relative "
      "{:.1e}, allowed {:.0e})",
      best.iteration, losses[best.iteration], best.expected, best.from,
      std::abs(losses[best.iteration] - best.expected) / best.expected, relative);
}

}  // namespace

void run_training(const std::string& folder, Report& report) {
  std::ifstream in(folder + "/training.json");
  const nlohmann::json recorded = nlohmann::json::parse(in);
  const fs::path repository = TRIVIUM_SOURCE_DIR;
  const char* cifar = std::getenv("TRIVIUM_CIFAR10");
  const Workplace work;
  furnish(work, repository);
  if (cifar) make_cifar(work, cifar);
  for (const auto& [name, run] : recorded["runs"].items()) {
    if (name == "cifar10_quick" && !cifar) {
      report.unsupported(kGroup,
                         name + " (set TRIVIUM_CIFAR10 to the folder of the binary batches)");
      continue;
    }
    try {
      const std::string problem = follow(work, name, recorded["nets"][name], run,
                                         name == "cifar10_quick" ? 2e-3 : 1e-5, repository, report);
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
