#!/usr/bin/env bash
# tests/soak, a short one.
lives=$((60 / ${TEST_SLOWNESS:-1}))
SOAK=${SOAK:-$((lives > 16 ? lives : 16))} exec bash "$(dirname "$0")/../soak"
