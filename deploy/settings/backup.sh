#!/bin/sh
# Dump the databases, and delete dumps that are older than BACKUP_KEEP_DAYS.
#
#   backup.sh               once
#   backup.sh every 86400   now, and then every 86400 seconds
#   backup.sh check 172800  fail if the last complete backup is older than 172800 seconds
#
# The connection comes from PGHOST, PGUSER and PGPASSWORD. A backup is a folder with one file for each
# database; it gets its name when it is complete. Old backups are deleted only after a new one.
set -eu
umask 077
folder=${BACKUP_FOLDER:-/backups}
keep_days=${BACKUP_KEEP_DAYS:-14}

backup() {
    name=$(date -u +%Y%m%dT%H%M%SZ)
    new=$folder/.$name.part
    rm -rf "$folder"/.*.part
    mkdir "$new"
    for database in prefect mlflow; do
        pg_dump --format=custom --file="$new/$database.dump" --dbname="$database"
        pg_restore --list "$new/$database.dump" >/dev/null # a damaged file ends the backup here
    done
    sync
    mv "$new" "$folder/$name"
    # The age in minutes: `-mtime` counts whole days and would keep a dump a day too long.
    find "$folder" -mindepth 1 -maxdepth 1 -type d -name '*Z' ! -name "$name" \
        -mmin "+$((keep_days * 1440))" -exec rm -rf {} +
    echo "backup: $folder/$name"
}

case ${1:-once} in
once) backup ;;
every)
    while :; do
        # In a process of its own: `set -e` does not end a function that stands in a condition.
        "$0" once || echo "backup: failed; the next try is in $2 s" >&2
        sleep "$2" &
        wait $!
    done
    ;;
check)
    test -n "$(find "$folder" -mindepth 1 -maxdepth 1 -type d -name '*Z' -mmin "-$(($2 / 60))")"
    ;;
*)
    echo "backup.sh: unknown word '$1'; expected once, every SECONDS or check SECONDS" >&2
    exit 2
    ;;
esac
