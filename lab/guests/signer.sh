#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Only where upstream go-ethereum stands in for GoQuorum: seals the clique chain as another member's node, outside the
# hardened hosts, because a clique sealer needs an unlocked account. Waits for /var/lib/signer/genesis.json.
set -eu
home=/var/lib/signer
mkdir -p "$home/data/geth"
cd "$home"
if [ ! -s identity.json ]; then
    openssl ecparam -name secp256k1 -genkey -noout -out node.pem
    openssl ec -in node.pem -noout -text 2>/dev/null >node.txt
    key=$(sed -n '/^priv:/,/^pub:/{/^ /p}' node.txt | tr -d ' :\n' | tail -c 64)
    enode=$(sed -n '/^pub:/,/^ASN1/{/^ /p}' node.txt | tr -d ' :\n' | tail -c 128)
    rm node.pem node.txt
    (umask 077 && printf %s "$key" >data/geth/nodekey && echo lab >password)
    geth --datadir data account new --password password >/dev/null 2>&1
    account=$(basename data/keystore/UTC--* | sed 's/.*--/0x/')
    printf '{"enode": "%s", "address": "%s"}\n' "$enode" "$account" >identity.new
    mv identity.new identity.json
fi
until [ -s genesis.json ]; do sleep 1; done
account=$(sed 's/.*"address": "\([^"]*\)".*/\1/' identity.json)
[ -d data/geth/chaindata ] || geth --datadir data init genesis.json
exec geth --datadir data --networkid "$(cat networkid)" --syncmode full --nodiscover --nat none --port 30303 \
    --netrestrict 198.18.1.0/24 --mine --miner.etherbase "$account" --unlock "$account" --password password \
    --allow-insecure-unlock --ipcdisable --maxpeers 25
