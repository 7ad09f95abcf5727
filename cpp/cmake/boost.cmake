# Boost comes from the boost-headers package, so that a build needs no system Boost.
if(LOADCORE_BINDINGS)
  find_package(Python 3.10 REQUIRED COMPONENTS Interpreter Development.Module)
else()
  find_package(Python 3.10 REQUIRED COMPONENTS Interpreter)
endif()
execute_process(
  COMMAND "${Python_EXECUTABLE}" -c "import boost_headers; print(boost_headers.get_include())"
  OUTPUT_VARIABLE LOADCORE_BOOST_INCLUDE OUTPUT_STRIP_TRAILING_WHITESPACE
  RESULT_VARIABLE boost_missing)
if(boost_missing)
  message(FATAL_ERROR "boost-headers is not installed for ${Python_EXECUTABLE}: "
                      "build with `pip install .` or `make build`")
endif()

add_library(loadcore_boost INTERFACE)
target_include_directories(loadcore_boost SYSTEM INTERFACE "${LOADCORE_BOOST_INCLUDE}")
