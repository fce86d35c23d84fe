#!/usr/bin/env bash
# Installs what the tests of the whole topology need on Debian: HAProxy, iproute2, PgBouncer. PgBouncer before 1.21 cannot
# keep prepared statements in transaction mode. Where the system's is older, this installs that of Debian 13 with its
# libraries into a folder of its own.
set -euo pipefail
if ((EUID)); then
  echo "make topology: needs root" >&2
  exit 1
fi
missing=()
command -v haproxy >/dev/null || missing+=(haproxy)
command -v ip >/dev/null || missing+=(iproute2)
if ((${#missing[@]})); then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
target=/var/lib/daira/pgbouncer
[[ -x $target/pgbouncer ]] && exit
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch"/{lists,cache/archives,debs,root}/partial
key=/usr/share/keyrings/debian-archive-keyring.gpg
mirror=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | head -1 || true)
echo "deb [signed-by=$key] ${mirror:?no Debian mirror in /etc/apt} trixie main" > "$scratch/sources.list"
options=(-qq -o "Dir::Etc::sourcelist=$scratch/sources.list" -o Dir::Etc::sourceparts=/dev/null
  -o "Dir::State::lists=$scratch/lists" -o "Dir::Cache=$scratch/cache" -o Acquire::Languages=none
  -o Acquire::Check-Valid-Until=false -o APT::Sandbox::User=root)
apt-get "${options[@]}" update
cd "$scratch/debs"
apt-get "${options[@]}" download pgbouncer libc6 libcares2 libevent-2.1-7t64 libpam0g libssl3t64 libsystemd0 \
  libaudit1 libcap-ng0 libcap2 libzstd1 zlib1g
for package in *.deb; do dpkg -x "$package" "$scratch/root"; done
mkdir -p "$scratch/made/lib"
cp "$scratch"/root/usr/lib/*-linux-gnu/*.so* "$scratch/made/lib/"
loader=$(cd "$scratch/made/lib" && ls ld-linux-*.so.*)
cp "$scratch/root/usr/sbin/pgbouncer" "$scratch/made/pgbouncer.bin"
cat > "$scratch/made/pgbouncer" <<RUN
#!/bin/sh
exec $target/lib/$loader --library-path $target/lib $target/pgbouncer.bin "\$@"
RUN
chmod -R a+rX "$scratch/made"
chmod +x "$scratch/made/pgbouncer" "$scratch/made/lib/$loader"
mkdir -p "${target%/*}"
rm -rf "$target"
mv "$scratch/made" "$target"
"$target/pgbouncer" --version | head -1
