# LOADCORE_VERSION is what pyproject.toml says, the only place that does.
set(pyproject "${CMAKE_CURRENT_SOURCE_DIR}/../pyproject.toml")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${pyproject}")
file(STRINGS "${pyproject}" version_line REGEX "^version = \"[^\"]+\"$" LIMIT_COUNT 1)
if(NOT version_line)
  message(FATAL_ERROR "${pyproject} has no line  version = \"…\"")
endif()
string(REGEX REPLACE "^version = \"(.*)\"$" "\\1" LOADCORE_VERSION "${version_line}")
set_source_files_properties(src/base/version.cpp PROPERTIES
                            COMPILE_DEFINITIONS "LOADCORE_VERSION=\"${LOADCORE_VERSION}\"")
