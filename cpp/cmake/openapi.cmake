# service/openapi.json, without its blanks, goes into the service, which serves it.
set(openapi "${CMAKE_CURRENT_SOURCE_DIR}/../service/openapi.json")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${openapi}")
execute_process(COMMAND "${Python_EXECUTABLE}" -m json.tool --compact "${openapi}"
                OUTPUT_VARIABLE LOADCORE_OPENAPI OUTPUT_STRIP_TRAILING_WHITESPACE
                RESULT_VARIABLE openapi_failed)
if(openapi_failed)
  message(FATAL_ERROR "${openapi} is no JSON")
endif()
configure_file(cmake/openapi.cpp.in openapi.cpp @ONLY)
target_sources(loadcore_counter PRIVATE "${CMAKE_CURRENT_BINARY_DIR}/openapi.cpp")
