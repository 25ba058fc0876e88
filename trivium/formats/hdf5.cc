#include "trivium/formats/hdf5.h"

#include <functional>

#include "trivium/formats/hdf5_dataset.h"

namespace trivium::formats {
namespace {

constexpr int kMaxDepth = 64;

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> parts;
  std::string part;
  for (const char c : path + "/") {
    if (c != '/')
      part += c;
    else if (!part.empty())
      parts.push_back(std::move(part)), part.clear();
  }
  return parts;
}

}  // namespace

bool is_hdf5(Bytes start) {
  return start.size() >= 8 && std::memcmp(start.data(), "\x89HDF\r\n\x1a\n", 8) == 0;
}

struct Hdf5File::Impl {
  Impl(std::shared_ptr<MappedFile> file, Bytes bytes, const std::string& name, uint64_t max_bytes)
      : file(std::move(file)), image(bytes, name), max_bytes(max_bytes) {}

  /// Address of the object at a path; false when there is none.
  bool resolve(const std::string& path, uint64_t* address) const {
    *address = image.root();
    for (const std::string& part : split(path)) {
      const h5::Messages messages = image.messages(*address);
      if (!h5::is_group(messages)) return false;
      const h5::Links links = image.links(messages);
      const auto found = links.find(part);
      if (found == links.end()) return false;
      *address = found->second;
    }
    return true;
  }

  h5::Messages object(const std::string& path, const char* kind) const {
    uint64_t address = 0;
    if (!resolve(path, &address))
      user_error("{}: no {} \"{}\" in the file", image.name(), kind, path);
    return image.messages(address);
  }

  h5::Dataset dataset(const std::string& path) const {
    const h5::Messages messages = object(path, "dataset");
    if (!h5::is_dataset(messages)) user_error("{}: \"{}\" is not a dataset", image.name(), path);
    return h5::describe(image, messages, max_bytes);
  }

  using Visit = std::function<void(const std::string& path, const h5::Messages&)>;

  void walk(uint64_t address, const std::string& path, int depth, std::set<uint64_t>* seen,
            const Visit& visit) const {
    if (depth > kMaxDepth) user_error("{}: groups nest more than {} deep", image.name(), kMaxDepth);
    for (const auto& [name, child] : image.links(image.messages(address))) {
      if (!seen->insert(child).second) continue;
      const h5::Messages messages = image.messages(child);
      visit(path + "/" + name, messages);
      if (h5::is_group(messages)) walk(child, path + "/" + name, depth + 1, seen, visit);
    }
  }

  std::vector<std::string> all(bool (*kind)(const h5::Messages&)) const {
    std::vector<std::string> paths;
    std::set<uint64_t> seen{image.root()};
    walk(image.root(), "", 1, &seen, [&](const std::string& path, const h5::Messages& messages) {
      if (kind(messages)) paths.push_back(path);
    });
    return paths;
  }

  std::shared_ptr<MappedFile> file;
  h5::Image image;
  uint64_t max_bytes;
};

Hdf5File::Hdf5File(const std::string& path, uint64_t max_bytes) {
  auto file = std::make_shared<MappedFile>(path);
  impl_ = std::make_unique<Impl>(file, file->bytes(), path, max_bytes);
}

Hdf5File::Hdf5File(Bytes bytes, std::string name, uint64_t max_bytes)
    : impl_(std::make_unique<Impl>(nullptr, bytes, name, max_bytes)) {}

Hdf5File::~Hdf5File() = default;
Hdf5File::Hdf5File(Hdf5File&&) noexcept = default;

const std::string& Hdf5File::name() const { return impl_->image.name(); }

bool Hdf5File::exists(const std::string& path) const {
  uint64_t address;
  return impl_->resolve(path, &address);
}

bool Hdf5File::is_group(const std::string& path) const {
  uint64_t address;
  return impl_->resolve(path, &address) && h5::is_group(impl_->image.messages(address));
}

bool Hdf5File::is_dataset(const std::string& path) const {
  uint64_t address;
  return impl_->resolve(path, &address) && h5::is_dataset(impl_->image.messages(address));
}

std::vector<std::string> Hdf5File::children(const std::string& group) const {
  const h5::Messages messages = impl_->object(group, "group");
  if (!h5::is_group(messages)) user_error("{}: \"{}\" is not a group", name(), group);
  std::vector<std::string> names;
  for (const auto& [name, address] : impl_->image.links(messages)) names.push_back(name);
  return names;
}

std::vector<std::string> Hdf5File::all_groups() const { return impl_->all(h5::is_group); }
std::vector<std::string> Hdf5File::all_datasets() const { return impl_->all(h5::is_dataset); }

namespace {

/// Runs `f`, naming the dataset in what it throws.
template <typename F>
auto naming(const std::string& dataset, F&& f) {
  try {
    return f();
  } catch (const UserError& error) {
    const std::string what = error.what();
    if (what.find('"' + dataset + '"') != std::string::npos) throw;
    throw UserError(fmt::format("{} (dataset \"{}\")", what, dataset));
  }
}

}  // namespace

Shape Hdf5File::shape(const std::string& dataset) const {
  return naming(dataset, [&] { return impl_->dataset(dataset).shape; });
}

Array Hdf5File::read(const std::string& dataset) const {
  return naming(dataset, [&] { return h5::to_array(impl_->image, impl_->dataset(dataset)); });
}

std::string Hdf5File::read_string(const std::string& dataset) const {
  return naming(dataset, [&] { return h5::to_string(impl_->image, impl_->dataset(dataset)); });
}

}  // namespace trivium::formats
