#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The npm package parse-prometheus-text-format reads what /status?prometheus and
# other exporters write; its output "aims to be compatible with that of prom2json".
#
# Expected: one entry for each set of labels, of histograms as of counters: of
#   duration{handler="device"} and {handler="api"} two, with their labels.
# Observed: the labels of a histogram or summary are dropped, and what came last
#   replaces the others, silently: one entry, with the buckets of "api"
#   (parse-prometheus-text-format 1.1.1).
set -u
VERSION=1.1.1

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
for tool in node npm; do
    command -v $tool > /dev/null || { echo "needs $tool" >&2; exit 2; }
done
npm install --prefix . --no-audit --no-fund --ignore-scripts \
    "parse-prometheus-text-format@$VERSION" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot install the package" >&2; exit 2; }

cat > metrics <<'TEXT'
# HELP requests_total Requests.
# TYPE requests_total counter
requests_total{handler="device"} 2
requests_total{handler="api"} 3
# HELP duration_seconds How long they took.
# TYPE duration_seconds histogram
duration_seconds_bucket{handler="device",le="0.1"} 1
duration_seconds_bucket{handler="device",le="+Inf"} 2
duration_seconds_sum{handler="device"} 2.5
duration_seconds_count{handler="device"} 2
duration_seconds_bucket{handler="api",le="0.1"} 3
duration_seconds_bucket{handler="api",le="+Inf"} 3
duration_seconds_sum{handler="api"} 0.2
duration_seconds_count{handler="api"} 3
TEXT
cat > read.js <<'JS'
const parse = require('parse-prometheus-text-format');
const text = require('fs').readFileSync('metrics', 'utf8');
const [counter, histogram] = (parse.default || parse)(text);

console.log(JSON.stringify([counter.metrics.length,
                            histogram.metrics.length,
                            histogram.metrics[0].labels || 'no labels',
                            histogram.metrics[0].buckets]));
JS
observed=$(node read.js 2> log) || { tail -n 3 log >&2; exit 2; }
echo 'expected: [2,2,{"handler":"device"},{"0.1":"1","+Inf":"2"}]'
echo "observed: $observed"
[ "$observed" = '[2,1,"no labels",{"0.1":"3","+Inf":"3"}]' ]
