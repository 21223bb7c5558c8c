#!/usr/bin/env bash
# Names that always resolve: what tests/bench/names measures, with fewer queries. None is lost.
top=$(realpath "$(dirname "$0")/../..")
out=$(QUESTIONS=400 OTHERS=8 KILLS=2 HELD=1.5 HOWS='kill stop' "$top/tests/bench/names" 4 2>&1) || true
lines=$(grep -cE '^(stack|nothing|kill|stop|freeze)' <<<"$out")
if [ "$lines" = 7 ]; then
    echo 'ok - every situation was tried to its end'
else
    echo "not ok - every situation was tried to its end: $lines of 7"
    sed 's/^/    | /' <<<"$out"
fi
while read -r line; do
    what=${line%%  *}
    read -r asked failed _ slowest _ <<<"${line#"$what"}"
    if [ "$asked" -gt 0 ] && [ "$failed" = 0 ]; then
        echo "ok - names while others come and go: $what"
        echo "    # $asked asked or started, the slowest took $slowest ms"
    else
        echo "not ok - names while others come and go: $what: $failed of $asked failed"
        sed 's/^/    | /' <<<"$out"
    fi
done < <(grep -E '^(stack|nothing|kill|stop|freeze)' <<<"$out")
