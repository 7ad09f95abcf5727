#define BOOST_TEST_MODULE loadcore
#include <boost/test/included/unit_test.hpp>
