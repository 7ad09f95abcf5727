# loadcore_module(NAME [DEPENDS module...] [BOOST])
#
# A static library of src/NAME/*.cpp whose public headers are include/loadcore/NAME. DEPENDS names
# the modules that its headers and sources may include; BOOST gives its sources Boost's headers.
function(loadcore_module name)
  cmake_parse_arguments(ARG "BOOST" "" "DEPENDS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/src/${name}/*.cpp")
  add_library(loadcore_${name} STATIC ${sources})
  add_library(loadcore::${name} ALIAS loadcore_${name})
  target_include_directories(loadcore_${name} PUBLIC "${CMAKE_CURRENT_SOURCE_DIR}/include"
                                              PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}/src")
  target_link_libraries(loadcore_${name} PRIVATE loadcore_options)
  if(ARG_BOOST)
    target_link_libraries(loadcore_${name} PRIVATE loadcore_boost)
  endif()
  foreach(module IN LISTS ARG_DEPENDS)
    target_link_libraries(loadcore_${name} PUBLIC loadcore::${module})
  endforeach()
endfunction()
