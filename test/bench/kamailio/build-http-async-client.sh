#!/bin/sh
# Builds Kamailio's http_async_client against the installed version from Debian's own source package, since no binary package has it.
# Needs root for the build dependencies. The module goes to /var/tmp/rouse-bench, where the benchmark looks for it.
set -eu
target=/var/tmp/rouse-bench
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$target" "$work/parts" "$work/lists/partial"
sed 's/^Types: deb$/Types: deb-src/' /etc/apt/sources.list.d/debian.sources > "$work/parts/src.sources"
apt_source="-o Dir::Etc::sourceparts=$work/parts -o Dir::Etc::sourcelist=/dev/null -o Dir::State::lists=$work/lists"
apt-get install -y -q gcc make flex bison libevent-dev libcurl4-openssl-dev xz-utils
cd "$work"
apt-get $apt_source -q update
apt-get $apt_source -q source --download-only kamailio
mkdir kamailio
tar xzf kamailio_*.orig.tar.gz -C kamailio --strip-components=1
cd kamailio
make cfg prefix=/usr cfg_target=/etc/kamailio/ FLAVOUR=kamailio CC_EXTRA_OPTS=-DVERSION_NODATE group_include=kstandard > /dev/null
make -C src modules modules=modules/http_async_client
cp src/modules/http_async_client/http_async_client.so "$target/"
echo "$target/http_async_client.so"
