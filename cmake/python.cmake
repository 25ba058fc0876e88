# The Python package: the extension trivium._C next to the package's files in build/python/trivium, so
# that PYTHONPATH=build/python is enough. scikit-build-core (pyproject.toml) installs the same as a wheel.
option(TRIVIUM_PYTHON "Build the Python package when Python's headers and nanobind are there" ON)
if(NOT TRIVIUM_PYTHON)
  return()
endif()

# scripts/lib/install.sh keeps nanobind and pytest in build/venv.
if(NOT Python_EXECUTABLE AND EXISTS ${PROJECT_SOURCE_DIR}/build/venv/bin/python)
  set(Python_EXECUTABLE ${PROJECT_SOURCE_DIR}/build/venv/bin/python)
endif()
find_package(Python 3.10 QUIET COMPONENTS Interpreter OPTIONAL_COMPONENTS Development.Module)
if(NOT Python_FOUND OR NOT Python_Development.Module_FOUND)
  message(STATUS "trivium: built without the Python package; Python 3.10 or later with its headers "
                 "(python3-dev) brings it")
  return()
endif()
execute_process(COMMAND ${Python_EXECUTABLE} -m nanobind --cmake_dir OUTPUT_VARIABLE nanobind_ROOT
                OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE nanobind_missing)
if(nanobind_missing)
  message(STATUS "trivium: built without the Python package; `${Python_EXECUTABLE} -m pip install "
                 "nanobind` brings it")
  return()
endif()
if(SKBUILD)
  # pip keeps nanobind in a new temporary folder each call; from a copy, whose files change only with their
  # content, the second call compiles nothing again.
  set(nanobind_copy ${PROJECT_BINARY_DIR}/nanobind)
  get_filename_component(nanobind_home ${nanobind_ROOT} DIRECTORY)
  file(GLOB_RECURSE nanobind_files RELATIVE ${nanobind_home} ${nanobind_home}/cmake/* ${nanobind_home}/ext/*
       ${nanobind_home}/include/* ${nanobind_home}/src/* ${nanobind_home}/*.py)
  foreach(file ${nanobind_files})
    get_filename_component(folder ${nanobind_copy}/${file} DIRECTORY)
    file(MAKE_DIRECTORY ${folder})
    file(COPY_FILE ${nanobind_home}/${file} ${nanobind_copy}/${file} ONLY_IF_DIFFERENT)
  endforeach()
  set(nanobind_DIR ${nanobind_copy}/cmake CACHE PATH "" FORCE)
endif()
find_package(nanobind CONFIG REQUIRED)

file(GLOB python_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/python/src/*.cc)
nanobind_add_module(trivium_python NB_STATIC NOMINSIZE ${python_sources} ${PROJECT_SOURCE_DIR}/trivium/version.cc)
target_link_libraries(trivium_python PRIVATE trivium_nn trivium_caffe)
set(python_package ${PROJECT_BINARY_DIR}/python/trivium)
set_target_properties(trivium_python PROPERTIES OUTPUT_NAME _C
                      LIBRARY_OUTPUT_DIRECTORY ${python_package})

# Type checkers and editors read _C.pyi beside the extension.
add_custom_command(TARGET trivium_python POST_BUILD
  COMMAND ${CMAKE_COMMAND} -E env PYTHONPATH=${PROJECT_BINARY_DIR}/python PYTHONDONTWRITEBYTECODE=1
          ${Python_EXECUTABLE} ${PROJECT_SOURCE_DIR}/python/stubs.py ${python_package}/_C.pyi
  VERBATIM)

file(GLOB tf_python_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/python/src_tf/*.cc)
nanobind_add_module(trivium_python_tf NB_STATIC NOMINSIZE ${tf_python_sources})
target_link_libraries(trivium_python_tf PRIVATE trivium_tf)
set_target_properties(trivium_python_tf PROPERTIES OUTPUT_NAME _tf
                      LIBRARY_OUTPUT_DIRECTORY ${python_package})
# stubs.py belongs to _C, whose functions take their arguments untyped; those of _tf have nanobind's signatures.
add_custom_command(TARGET trivium_python_tf POST_BUILD
  COMMAND ${CMAKE_COMMAND} -E env PYTHONDONTWRITEBYTECODE=1 ${Python_EXECUTABLE} -m nanobind.stubgen -q
          -i ${PROJECT_BINARY_DIR}/python -m trivium._tf -o ${python_package}/_tf.pyi
  VERBATIM)
# trivium/__init__.py imports _C.
add_dependencies(trivium_python_tf trivium_python)

# The package's own files are linked, not copied: an edit is seen at once.
file(MAKE_DIRECTORY ${python_package})
file(GLOB package_entries RELATIVE ${PROJECT_SOURCE_DIR}/python/trivium CONFIGURE_DEPENDS
     ${PROJECT_SOURCE_DIR}/python/trivium/*)
foreach(entry ${package_entries})
  if(NOT entry STREQUAL __pycache__)
    file(CREATE_LINK ${PROJECT_SOURCE_DIR}/python/trivium/${entry} ${python_package}/${entry} SYMBOLIC)
  endif()
endforeach()

if(SKBUILD)
  install(TARGETS trivium_python trivium_python_tf LIBRARY DESTINATION trivium)
  install(FILES ${python_package}/_C.pyi ${python_package}/_tf.pyi DESTINATION trivium)
  install(TARGETS program_trivium RUNTIME DESTINATION ${SKBUILD_SCRIPTS_DIR})
endif()

if(TRIVIUM_TESTS)
  execute_process(COMMAND ${Python_EXECUTABLE} -c "import pytest" ERROR_QUIET RESULT_VARIABLE no_pytest)
  if(no_pytest)
    message(STATUS "trivium: the tests of the Python package are left out; pytest runs them")
  else()
    file(GLOB python_tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/python/test_*.py)
    foreach(source ${python_tests})
      get_filename_component(stem ${source} NAME_WE)
      add_test(NAME python/${stem} COMMAND ${Python_EXECUTABLE} -m pytest -q -p no:cacheprovider ${source})
      set_tests_properties(python/${stem} PROPERTIES TIMEOUT 600
        ENVIRONMENT "PYTHONPATH=${PROJECT_BINARY_DIR}/python;OMP_WAIT_POLICY=passive;PYTHONDONTWRITEBYTECODE=1")
    endforeach()
  endif()
endif()
