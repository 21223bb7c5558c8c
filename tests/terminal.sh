# tests/terminal.sh - sourced after lib.sh by tests of terminals: on_terminal STEPS ARG... runs netctr on a terminal of 30
# rows and 100 columns; tests/terminal.py says what STEPS are, and what is printed.

# shellcheck shell=bash
on_terminal() { # STEPS ARG...
    timeout -s KILL $((40 * slowness)) python3 "$top/tests/terminal.py" "$1" "$ARENA/bin/netctr" "${@:2}"
}
