#!/usr/bin/env bash
# Builds PgBouncer from Debian's source package into the file $1, in about 20 s. Debian 12 has 1.18 as a package, which
# cannot prepare statements in transaction mode. Needs libevent-dev, libssl-dev, pkg-config and a C compiler.
set -euo pipefail
target=$(realpath -m "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir -p lists/partial
mirror=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' \
  | awk -v ours="$(. /etc/os-release && echo "$VERSION_CODENAME")" '$1 == ours {print $2; exit}')
echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" > sources.list
options=(-o "Dir::Etc::SourceList=$folder/sources.list" -o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$folder/lists"
  -o APT::Sandbox::User=root -qq)
apt-get "${options[@]}" update
apt-get "${options[@]}" source --download-only pgbouncer
mkdir source
tar xf pgbouncer_*.orig.tar.gz -C source --strip-components=1
cd source
./configure --quiet --without-pam --without-systemd --without-cares > /dev/null
make -s -j2 > /dev/null 2>&1
install -D pgbouncer "$target"
