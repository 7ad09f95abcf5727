# Warnings, sanitizers and the compiler cache, the same for every target.
find_program(LOADCORE_CCACHE ccache)
if(LOADCORE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${LOADCORE_CCACHE}")
endif()

find_package(Threads REQUIRED)

add_library(loadcore_options INTERFACE)
target_compile_options(loadcore_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                                                  -Wnon-virtual-dtor -Woverloaded-virtual)
target_link_libraries(loadcore_options INTERFACE Threads::Threads)
if(LOADCORE_SANITIZE)
  target_compile_options(loadcore_options INTERFACE -fsanitize=${LOADCORE_SANITIZE}
                                                    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(loadcore_options INTERFACE -fsanitize=${LOADCORE_SANITIZE})
endif()
