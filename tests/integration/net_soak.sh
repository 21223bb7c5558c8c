#!/usr/bin/env bash
# tests/soak, the short one.
SOAK=${SOAK:-60} exec bash "$(dirname "$0")/../soak"
