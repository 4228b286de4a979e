#include "python_host.h"

#include <dlfcn.h>

#include <cstdlib>
#include <memory>
#include <sstream>
#include <stdexcept>

namespace ocvf {
namespace {

using Object = void;    // PyObject, of which only the address is used

/// The few functions of Python's stable interface that are needed, found when first needed.
class Python {
 public:
  static Python &get()
  {
    static Python one;    // a constructor that throws is tried again at the next call
    return one;
  }

  int (*gil_ensure)();
  void (*gil_release)(int);
  Object *(*import)(const char *);
  Object *(*call_method)(Object *, const char *, const char *, ...);
  int (*parse_tuple)(Object *, const char *, ...);
  void (*decref)(Object *);

  /// Text of the pending exception, which is cleared.
  std::string pending_error();

 private:
  Python();
  void start();
  template <class Function> void find(Function &function, const char *name);

  void *library_ = RTLD_DEFAULT;
  Object *(*str_)(Object *);
  const char *(*utf8_)(Object *);
  void (*fetch_)(Object **, Object **, Object **);
};

class Gil {
 public:
  explicit Gil(Python &python) : python_(python), state_(python.gil_ensure()) {}
  ~Gil() { python_.gil_release(state_); }
  Gil(const Gil &) = delete;
  Gil &operator=(const Gil &) = delete;

 private:
  Python &python_;
  int state_;
};

const char *environment(const char *name)
{
  const char *value = std::getenv(name);
  return value && *value ? value : nullptr;
}

template <class Function> void Python::find(Function &function, const char *name)
{
  function = reinterpret_cast<Function>(dlsym(library_, name));
  if (!function) throw std::runtime_error(std::string("this Python has no function ") + name);
}

Python::Python()
{
  if (!dlsym(RTLD_DEFAULT, "Py_IsInitialized")) {
    const char *path = environment("OCVF_LIBPYTHON");
    if (!path)
      throw std::runtime_error(
          "expected: the Python that runs the model, in the environment variables OCVF_LIBPYTHON "
          "(its shared library) and OCVF_PYTHON (its executable)\n"
          "found: no OCVF_LIBPYTHON\n"
          "to do: start lmp by the command of the Python environment that holds ocvf-lmp, or set "
          "both by: eval \"$(python -m ocvf_lmp.lammps.plugin)\". A Python without a shared "
          "library (libpython3.x.so) cannot do; from such a one run LAMMPS by `import lammps`");
    library_ = dlopen(path, RTLD_NOW | RTLD_GLOBAL);    // global: for Python's compiled modules
    if (!library_) throw std::runtime_error(std::string("cannot load Python: ") + dlerror());
  }
  find(gil_ensure, "PyGILState_Ensure");
  find(gil_release, "PyGILState_Release");
  find(import, "PyImport_ImportModule");
  find(call_method, "PyObject_CallMethod");
  find(parse_tuple, "PyArg_ParseTuple");
  find(decref, "Py_DecRef");
  find(str_, "PyObject_Str");
  find(utf8_, "PyUnicode_AsUTF8");
  find(fetch_, "PyErr_Fetch");
  if (!Model::python_is_running()) start();
}

/// Starts the interpreter as if by the executable of the user's environment, so that it finds the
/// packages of that environment. It is never ended: torch does not outlive the end of Python.
void Python::start()
{
  wchar_t *(*decode)(const char *, size_t *);
  void (*initialize)(int);
  void *(*release_gil)();
  find(decode, "Py_DecodeLocale");
  find(initialize, "Py_InitializeEx");
  find(release_gil, "PyEval_SaveThread");
  const auto set_program =
      reinterpret_cast<void (*)(const wchar_t *)>(dlsym(library_, "Py_SetProgramName"));
  const char *executable = environment("OCVF_PYTHON");
  if (executable && set_program) set_program(decode(executable, nullptr));
  initialize(0);    // 0: Ctrl-C stays with LAMMPS
  release_gil();
}

std::string Python::pending_error()
{
  Object *type = nullptr, *value = nullptr, *traceback = nullptr;
  fetch_(&type, &value, &traceback);
  Object *text = str_(value ? value : type);
  const char *characters = text ? utf8_(text) : nullptr;
  const std::string message = characters ? characters : "unknown Python error";
  for (Object *object : {type, value, traceback, text})
    if (object) decref(object);
  return message;
}

struct Release {
  void operator()(Object *object) const { Python::get().decref(object); }
};
using Owned = std::unique_ptr<Object, Release>;

/// Calls a function of the Python side; `format` as for Python's own PyObject_CallMethod.
template <class... Arguments>
Owned call(Python &python, const char *function, const char *format, Arguments... arguments)
{
  const char *const name = "ocvf_lmp.lammps.host";
  const Owned module(python.import(name));
  if (!module)
    throw std::runtime_error(std::string("cannot import ") + name + ": " + python.pending_error());
  Owned result(python.call_method(module.get(), function, format, arguments...));
  if (!result) throw std::runtime_error(python.pending_error());
  return result;
}

/// Reads the tuple that came back; its first entry is the text of a failure, or empty.
template <class... Entries>
void read(Python &python, const Owned &result, const char *format, Entries *...entries)
{
  const char *failure = nullptr;
  if (!python.parse_tuple(result.get(), format, &failure, entries...))
    throw std::runtime_error(python.pending_error());
  if (*failure) throw std::runtime_error(failure);
}

}    // namespace

bool Model::python_is_running()
{
  const auto initialized = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "Py_IsInitialized"));
  return initialized && initialized();
}

Model::Model(const std::string &file, int threads)
{
  Python &python = Python::get();
  const Gil gil(python);
  const char *elements = nullptr, *summary = nullptr;
  const Owned result = call(python, "load", "(si)", file.c_str(), threads);
  read(python, result, "sLddss", &handle_, &cutoff_, &ghost_cutoff_, &elements, &summary);
  summary_ = summary;
  std::istringstream names(elements);
  for (std::string name; names >> name;) elements_.push_back(name);
}

Model::~Model()
{
  if (!python_is_running()) return;    // a script has ended before its LAMMPS object
  Python &python = Python::get();
  const Gil gil(python);
  try {
    call(python, "release", "(L)", handle_);
  } catch (const std::exception &) {    // nothing is lost but memory
  }
}

void Model::evaluate(Step &step) const
{
  Python &python = Python::get();
  const Gil gil(python);
  const auto address = reinterpret_cast<unsigned long long>(&step);
  read(python, call(python, "evaluate", "(KL)", address, handle_), "s");
}

}    // namespace ocvf
