# Written by quorum.hardening, role host: what a person makes is not for everybody, and a forgotten shell ends.
# Sourced by login shells of any kind.
# shellcheck shell=sh
umask 027
if [ -t 0 ]; then
    TMOUT=900
    readonly TMOUT
    export TMOUT
fi
