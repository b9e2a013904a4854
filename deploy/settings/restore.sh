#!/bin/sh
# Restore a backup of backup.sh. Stop Prefect's and MLflow's servers first.
#
#   restore.sh          list the backups
#   restore.sh NAME     restore one, such as 20260131T030000Z
#
# Each database is restored beside the present one, which is renamed to DATABASE_before_TIME only when
# all of them are complete. To go back, rename it again; when all is well, drop it.
set -eu
folder=${BACKUP_FOLDER:-/backups}
if [ $# -ne 1 ]; then
    echo "backups in $folder, the newest last; restore one with: restore.sh NAME"
    find "$folder" -mindepth 1 -maxdepth 1 -type d -name '*Z' -exec basename {} \; | sort
    exit
fi
for database in prefect mlflow; do
    if [ ! -f "$folder/$1/$database.dump" ]; then
        echo "restore.sh: $folder/$1/$database.dump is missing; list the backups with: restore.sh" >&2
        exit 1
    fi
done

sql() {
    psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --dbname=postgres
}

connected=$(echo "SELECT count(*) FROM pg_stat_activity WHERE datname IN ('prefect', 'mlflow')" | sql)
if [ "$connected" -ne 0 ]; then
    echo "restore.sh: $connected connections to the databases are open; stop the servers first" >&2
    exit 1
fi
for database in prefect mlflow; do
    sql <<SQL
DROP DATABASE IF EXISTS ${database}_restored;
CREATE DATABASE ${database}_restored OWNER $database;
REVOKE CONNECT ON DATABASE ${database}_restored FROM PUBLIC;
SQL
    pg_restore --no-owner --role="$database" --exit-on-error --single-transaction \
        --dbname="${database}_restored" "$folder/$1/$database.dump"
done
now=$(date -u +%Y%m%d%H%M%S)
for database in prefect mlflow; do
    exists=$(echo "SELECT count(*) FROM pg_database WHERE datname = '$database'" | sql)
    if [ "$exists" -ne 0 ]; then
        echo "ALTER DATABASE $database RENAME TO ${database}_before_$now" | sql
    fi
    echo "ALTER DATABASE ${database}_restored RENAME TO $database" | sql
    echo "restore: $database, from $folder/$1"
done
