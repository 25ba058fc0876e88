// Writes LMDB databases with liblmdb: everything since the last commit goes into one transaction,
// repeated with a map of twice the size when the map is full.
#include "trivium/engine/core/error.h"
#include "trivium/formats/db_backends.h"

#ifdef TRIVIUM_HAVE_LMDB
#include <lmdb.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <vector>
#endif

namespace trivium::formats {

#ifdef TRIVIUM_HAVE_LMDB
namespace {

constexpr size_t kMaxKeyBytes = 511;  // liblmdb's built-in limit

class LmdbWriter : public DatabaseWriter {
 public:
  explicit LmdbWriter(const std::string& path) : path_(path) {
    if (::mkdir(path.c_str(), 0744) != 0)
      environment_error("{}: cannot create the directory: {}", path, std::strerror(errno));
    check(mdb_env_create(&env_), "create an environment");
    if (const int code = mdb_env_open(env_, path.c_str(), 0, 0664)) {
      mdb_env_close(env_);
      check(code, "open the new database");
    }
  }
  ~LmdbWriter() override { mdb_env_close(env_); }

  void put(std::string_view key, std::string_view value) override {
    if (key.empty() || key.size() > kMaxKeyBytes)
      user_error("{}: a key of 1 to {} bytes expected, received {} bytes", path_, kMaxKeyBytes,
                 key.size());
    pending_.emplace_back(key, value);
  }

  void commit() override {
    if (pending_.empty()) return;
    int code = write_pending();
    while (code == MDB_MAP_FULL) {
      double_map();
      code = write_pending();
    }
    check(code, "commit");
    pending_.clear();
  }

 private:
  void check(int code, const char* what) const {
    if (code != MDB_SUCCESS)
      environment_error("{}: LMDB cannot {}: {}", path_, what, mdb_strerror(code));
  }

  int write_pending() {
    MDB_txn* txn = nullptr;
    if (const int code = mdb_txn_begin(env_, nullptr, 0, &txn)) return code;
    MDB_dbi dbi;
    int code = mdb_dbi_open(txn, nullptr, 0, &dbi);
    for (size_t i = 0; code == MDB_SUCCESS && i < pending_.size(); ++i) {
      MDB_val key = view(pending_[i].first), value = view(pending_[i].second);
      code = mdb_put(txn, dbi, &key, &value, 0);
    }
    if (code == MDB_SUCCESS) return mdb_txn_commit(txn);  // frees the transaction in any case
    mdb_txn_abort(txn);
    return code;
  }

  void double_map() {
    MDB_envinfo info;
    check(mdb_env_info(env_, &info), "tell its map size");
    check(mdb_env_set_mapsize(env_, info.me_mapsize * 2), "double its map");
  }

  static MDB_val view(const std::string& text) {
    return {text.size(), const_cast<char*>(text.data())};
  }

  std::string path_;
  MDB_env* env_ = nullptr;
  std::vector<std::pair<std::string, std::string>> pending_;
};

}  // namespace

std::unique_ptr<DatabaseWriter> create_lmdb(const std::string& path) {
  return std::make_unique<LmdbWriter>(path);
}
#else
std::unique_ptr<DatabaseWriter> create_lmdb(const std::string& path) {
  user_error("{}: cannot write LMDB: built without LMDB; install liblmdb-dev and build again",
             path);
}
#endif

}  // namespace trivium::formats
