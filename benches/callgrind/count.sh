#!/usr/bin/env bash
# Counts the instructions of the three fixed runs of benches/callgrind/main.rs; prints a Markdown table.
# Needs valgrind. What is counted is one sample per case, the layout of the weights for it included.
set -euo pipefail
cd "$(dirname "$0")/../.."

program=$(cargo bench --bench callgrind --no-run --message-format=json 2>/dev/null |
    grep -o '"executable":"[^"]*callgrind-[^"]*"' | tail -1 | cut -d'"' -f4)
echo "| case | instructions |"
echo "|---|---:|"
for name in perceptron perceptron-event convolution; do
    count=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect='*counted_run*' \
        "$program" "$name" 2>&1 | sed -n 's/.*Collected : //p')
    echo "| $name | $count |"
done
