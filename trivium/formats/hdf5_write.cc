// Writing HDF5 with libhdf5. Its own chatter on stderr is switched off around every call.
#include "trivium/engine/core/error.h"
#include "trivium/formats/hdf5.h"

#ifdef TRIVIUM_HAVE_HDF5
#include <hdf5.h>

#include <mutex>
#endif

namespace trivium::formats {

#ifdef TRIVIUM_HAVE_HDF5
namespace {

/// libhdf5 as packaged is not safe to call from two threads.
std::mutex& library_mutex() {
  static std::mutex mutex;
  return mutex;
}

/// Holds the library and silences it; puts the handler of others back at the end.
class Library {
 public:
  Library() : lock_(library_mutex()) {
    H5Eget_auto2(H5E_DEFAULT, &handler_, &data_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~Library() { H5Eset_auto2(H5E_DEFAULT, handler_, data_); }

 private:
  std::lock_guard<std::mutex> lock_;
  H5E_auto2_t handler_ = nullptr;
  void* data_ = nullptr;
};

/// An identifier of libhdf5 and the function that gives it back.
struct Handle {
  Handle(hid_t id, herr_t (*close)(hid_t)) : id(id), close(close) {}
  ~Handle() {
    if (id >= 0) close(id);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  bool ok() const { return id >= 0; }
  hid_t id;
  herr_t (*close)(hid_t);
};

struct HalfType {
  HalfType() : id(H5Tcopy(H5T_IEEE_F32LE)) {
    H5Tset_fields(id, 15, 10, 5, 0, 10);
    H5Tset_size(id, 2);
    H5Tset_ebias(id, 15);
  }
  ~HalfType() { H5Tclose(id); }
  hid_t id;
};

hid_t native_type(DType dtype, const HalfType& half) {
  switch (dtype) {
    case DType::f32:
      return H5T_IEEE_F32LE;
    case DType::f64:
      return H5T_IEEE_F64LE;
    case DType::f16:
      return half.id;
    case DType::i8:
    case DType::bool_:
      return H5T_STD_I8LE;
    case DType::u8:
      return H5T_STD_U8LE;
    case DType::i16:
      return H5T_STD_I16LE;
    case DType::i32:
      return H5T_STD_I32LE;
    case DType::i64:
      return H5T_STD_I64LE;
    default:
      user_error("HDF5 has no type for {}; cast to float32 first", name_of(dtype));
  }
}

}  // namespace

struct Hdf5Writer::Impl {
  explicit Impl(const std::string& path) : path(path) {
    Library library;
    file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    if (file < 0) environment_error("{}: cannot create the HDF5 file", path);
  }

  ~Impl() {
    Library library;
    if (file >= 0) H5Fclose(file);
  }

  void require_new(const std::string& name) const {
    // H5Lexists needs every parent, so the answer is only asked for when the last one exists.
    for (size_t slash = name.find('/', 1);; slash = name.find('/', slash + 1)) {
      const std::string prefix = name.substr(0, slash);
      if (H5Lexists(file, prefix.c_str(), H5P_DEFAULT) <= 0) return;
      if (slash == std::string::npos) break;
    }
    user_error("{}: \"{}\" is in the file already", path, name);
  }

  void write(const std::string& name, hid_t type, hid_t space, const void* data) {
    require_new(name);
    const Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
    H5Pset_create_intermediate_group(links.id, 1);
    const Handle set(
        H5Dcreate2(file, name.c_str(), type, space, links.id, H5P_DEFAULT, H5P_DEFAULT), H5Dclose);
    if (!set.ok() || H5Dwrite(set.id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
      environment_error("{}: cannot write the dataset \"{}\"; is the disk full?", path, name);
  }

  std::string path;
  hid_t file = -1;
};

Hdf5Writer::Hdf5Writer(const std::string& path) : impl_(std::make_unique<Impl>(path)) {}
Hdf5Writer::~Hdf5Writer() = default;

void Hdf5Writer::group(const std::string& path) {
  Library library;
  impl_->require_new(path);
  const Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(links.id, 1);
  const Handle group(H5Gcreate2(impl_->file, path.c_str(), links.id, H5P_DEFAULT, H5P_DEFAULT),
                     H5Gclose);
  if (!group.ok()) environment_error("{}: cannot create the group \"{}\"", impl_->path, path);
}

void Hdf5Writer::dataset(const std::string& path, const Array& array) {
  Library library;
  const HalfType half;
  const hid_t type = native_type(array.dtype(), half);
  hsize_t dims[Shape::kMaxRank];
  std::copy(array.shape().begin(), array.shape().end(), dims);
  const Handle space(array.shape().rank() == 0
                         ? H5Screate(H5S_SCALAR)
                         : H5Screate_simple(array.shape().rank(), dims, nullptr),
                     H5Sclose);
  impl_->write(path, type, space.id, array.raw());
}

void Hdf5Writer::string(const std::string& path, const std::string& text) {
  Library library;
  const Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.id, text.size() + 1);
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  impl_->write(path, type.id, space.id, text.c_str());
}

void Hdf5Writer::integer(const std::string& path, int value) {
  dataset(path, Array::from<int32_t>({value}, {1}));
}

void Hdf5Writer::close() {
  Library library;
  if (impl_->file < 0) return;
  const hid_t file = impl_->file;
  impl_->file = -1;
  if (H5Fflush(file, H5F_SCOPE_GLOBAL) < 0 || H5Fclose(file) < 0)
    environment_error("{}: cannot complete the HDF5 file; is the disk full?", impl_->path);
}

#else

struct Hdf5Writer::Impl {};

Hdf5Writer::Hdf5Writer(const std::string& path) {
  user_error(
      "{}: cannot write HDF5: built without HDF5; install libhdf5-dev and build again, or "
      "use snapshot_format: BINARYPROTO",
      path);
}
Hdf5Writer::~Hdf5Writer() = default;
void Hdf5Writer::group(const std::string&) {}
void Hdf5Writer::dataset(const std::string&, const Array&) {}
void Hdf5Writer::string(const std::string&, const std::string&) {}
void Hdf5Writer::integer(const std::string&, int) {}
void Hdf5Writer::close() {}

#endif

void write_hdf5(const std::string& path, const std::function<void(Hdf5Writer&)>& fill) {
  replace_file_atomically(path, [&](const std::string& temporary) {
    Hdf5Writer writer(temporary);
    fill(writer);
    writer.close();
  });
}

}  // namespace trivium::formats
