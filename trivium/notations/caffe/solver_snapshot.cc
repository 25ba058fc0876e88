// Snapshots. The model is written first, then the state that names it; each appears whole or not at
// all, so after a crash the newest state file always belongs to a complete model.
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "trivium/formats/caffemodel.h"
#include "trivium/formats/file.h"
#include "trivium/notations/caffe/solver.h"

namespace trivium::caffe {
namespace {

constexpr char kMagic[] = "trivium-resume-1";

void put(std::string& out, const std::string& bytes) {
  const uint64_t size = bytes.size();
  out.append(reinterpret_cast<const char*>(&size), sizeof size);
  out += bytes;
}

/// Reads pieces that put() wrote; UserError when the text ends early.
class Pieces {
 public:
  Pieces(const std::string& bytes, const std::string& file) : bytes_(bytes), file_(file) {}
  std::string next() {
    uint64_t size = 0;
    if (bytes_.size() - at_ < sizeof size) broken();
    std::memcpy(&size, bytes_.data() + at_, sizeof size);
    at_ += sizeof size;
    if (bytes_.size() - at_ < size) broken();
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }

 private:
  [[noreturn]] void broken() const {
    user_error("{}: the part that holds random generator and data position ends at byte {} of {}",
               file_, at_, bytes_.size());
  }
  const std::string& bytes_;
  const std::string& file_;
  size_t at_ = 0;
};

std::string in_folder(const std::string& folder, const std::string& path) {
  return folder.empty() || path.empty() || path[0] == '/' ? path : folder + "/" + path;
}

void save_weights(const Net& net, const std::string& path, bool hdf5,
                  const std::vector<Array>* diffs) {
  if (hdf5)
    formats::save_weights_hdf5(path, net.weights(diffs));
  else
    formats::write_net(path, net.to_weights(diffs));
}

}  // namespace

void Solver::probe_prefix() const {
  const std::string probe =
      in_folder(options_.folder, param_.snapshot_prefix()) + fmt::format(".probe.{}", getpid());
  try {
    formats::write_file_atomically(probe, "");
  } catch (const EnvironmentError& e) {
    environment_error(
        "solver: snapshots cannot be written to snapshot_prefix \"{}\": {}\n  make the folder, or "
        "change snapshot_prefix",
        param_.snapshot_prefix(), e.what());
  }
  unlink(probe.c_str());
}

std::string Solver::snapshot_name(const char* extension) const {
  return fmt::format("{}_iter_{}{}", param_.snapshot_prefix(), iter_, extension);
}

std::string Solver::snapshot() {
  if (param_.snapshot_prefix().empty())
    user_error("snapshot: the solver has no snapshot_prefix, the start of the files' names");
  const bool hdf5 = param_.snapshot_format() == proto::SolverParameter::HDF5;
  const std::string model = snapshot_name(hdf5 ? ".caffemodel.h5" : ".caffemodel");
  const std::string state = snapshot_name(hdf5 ? ".solverstate.h5" : ".solverstate");
  const char* kind = hdf5 ? "HDF5" : "binary proto";
  log(fmt::format("Snapshotting to {} file {}", kind, model));
  const std::vector<Array> diffs = applied();
  save_weights(*net_, in_folder(options_.folder, model), hdf5, diffs.empty() ? nullptr : &diffs);
  log(fmt::format("Snapshotting solver state to {} file {}", kind, state));
  formats::SolverStateFile file;
  file.iter = iter_;
  file.learned_net = model;
  file.current_step = current_step_;
  file.history = history();
  file.resume = kMagic;
  put(file.resume, random_->save());
  put(file.resume, net_->save_state());
  for (const auto& net : test_nets_) put(file.resume, net->save_state());
  formats::save_solver_state(in_folder(options_.folder, state), file);
  return state;
}

void Solver::restore(const std::string& state_file, bool with_data) {
  const std::string path = in_folder(options_.folder, state_file);
  const formats::SolverStateFile file = formats::load_solver_state(path);
  const std::vector<Array> slots = history();
  if (file.history.size() != slots.size())
    user_error(
        "{}: {} history blobs expected for this net and solver type \"{}\", the file has {}; was "
        "it written by another solver?",
        state_file, slots.size(), param_.type(), file.history.size());
  for (size_t i = 0; i < slots.size(); ++i)
    if (file.history[i].count() != slots[i].count())
      user_error("{}: history {}: {} expected, the file has {}; is it of another net?", state_file,
                 i, slots[i].text(), file.history[i].text());
  if (!file.learned_net.empty())
    net_->copy_trained_from(in_folder(options_.folder, file.learned_net));
  if (!state_file.ends_with(".h5")) log("SGDSolver: restoring history");
  for (size_t slot = 0, i = 0; slot < history_.size(); ++slot)
    for (const CellRef& cell : history_[slot]) {
      cell->set(file.history[i].cast(DType::f32).reshaped(cell->shape()));
      ++i;
    }
  iter_ = file.iter;
  current_step_ = file.current_step;
  if (!with_data || file.resume.compare(0, std::strlen(kMagic), kMagic) != 0) return;
  const std::string rest = file.resume.substr(std::strlen(kMagic));
  Pieces pieces(rest, state_file);
  random_->restore(pieces.next());
  net_->restore_state(pieces.next());
  for (const auto& net : test_nets_) net->restore_state(pieces.next());
}

}  // namespace trivium::caffe
