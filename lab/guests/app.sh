#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A legitimate caller of the ledger: its key is made here and stays; its request is signed by the store's PKI.
set -eu
mkdir -p /etc/app
if [ ! -s /etc/app/app.csr ]; then
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=app \
        -keyout /etc/app/app.key -out /etc/app/new.csr 2>/dev/null
    mv /etc/app/new.csr /etc/app/app.csr
fi
exec sleep infinity
