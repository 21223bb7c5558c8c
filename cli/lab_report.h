/* What the tests of a lab have shown, for people and for programs. */
#pragma once

#include <netctr/probe.h>

#include <stdio.h>

enum report_format {
    REPORT_TABLE, /**< columns for a terminal; on stdout */
    REPORT_LINES, /**< "ok - TEST" or "FAILED - TEST: DETAIL" */
    REPORT_TAP,   /**< Test Anything Protocol 13 */
    REPORT_JUNIT, /**< JUnit's XML */
    REPORT_JSON,
};
/** "junit", "tap", "json", "text"; NULL: a table if @out is a terminal, else lines. -EINVAL with a text. */
int report_format_parse(const char *word, FILE *out, enum report_format *format, struct err *e);
/** Prints one result for each test of @t. */
void report_print(FILE *out, enum report_format format, const struct topology *t,
                  const struct lab_test_result *results);
