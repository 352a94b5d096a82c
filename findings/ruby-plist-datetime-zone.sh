#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The gem plist turns Ruby's Time, DateTime and Date into <date>, whose form ends
# in Z and so means UTC.
#
# Expected: noon at +02:00 is written as 10:00:00Z, whichever class it is of.
# Observed: a Time is; a DateTime is written with its local hour and a Z,
#   12:00:00Z, two hours late. It reads back as another instant, without a
#   warning. What plist itself reads are DateTimes, so a program that adds to a
#   date it has read in local time meets this (ruby-plist 3.6.0-1, Ruby 3.1).
set -u
VERSION=3.6.0-1
RUBY=3.1.7+really3.1.2-0+deb12u1

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
apt-get download "ruby-plist=$VERSION" "ruby3.1=$RUBY" "libruby3.1=$RUBY" \
    libyaml-0-2 libgmp10 > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download ruby-plist $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
LD_LIBRARY_PATH=$(find "$work/root" -name '*.so.*' -printf '%h\n' | sort -u |
                  paste -sd:)
export LD_LIBRARY_PATH
plist=$(dirname "$(find root -name plist.rb | head -n 1)")
machine=$(dirname "$(find root -name date_core.so)")

cat > date.rb <<'RUBY'
require 'date'
require 'plist'

noon = [2026, 11, 27, 12, 0, 0, '+02:00']
{ 'Time' => Time.new(*noon), 'DateTime' => DateTime.new(*noon) }.each do |name, at|
  xml = { 'v' => at }.to_plist
  read = Plist.parse_xml(xml)['v']
  puts "observed: #{name}: #{xml[%r{<date>.*</date>}]}, " +
       (read.to_time == at.to_time ? 'the same instant' : 'another instant')
end
RUBY
root/usr/bin/ruby3.1 --disable-gems -I "$plist" -I root/usr/lib/ruby/3.1.0 \
    -I "$machine" date.rb > observed 2> log || { tail -n 3 log >&2; exit 2; }
echo "expected: <date>2026-11-27T10:00:00Z</date> twice, the same instant"
cat observed
[ "$(cat observed)" = "observed: Time: <date>2026-11-27T10:00:00Z</date>, the same instant
observed: DateTime: <date>2026-11-27T12:00:00Z</date>, another instant" ]
