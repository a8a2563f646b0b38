#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The people who hold the store's shares: throw-away keys made here, then one loop for each. HOLDERS: their names.
set -eu
for name in $HOLDERS; do
    home=/var/lib/holders/$name
    [ -s "$home/pgp.asc" ] && continue
    mkdir -p "$home/gnupg"
    chmod 700 "$home" "$home/gnupg"
    ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$home/ssh_key" </dev/null
    gpg --homedir "$home/gnupg" --batch --quiet --pinentry-mode loopback --passphrase '' \
        --quick-generate-key "$name" default default never
    gpg --homedir "$home/gnupg" --batch --armor --export "$name" >"$home/pgp.new"
    mv "$home/pgp.new" "$home/pgp.asc"
done
# shellcheck disable=SC2086 # a list of names
exec python3 -u /usr/local/lib/holders.py $HOLDERS
