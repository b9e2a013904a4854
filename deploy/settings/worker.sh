#!/bin/sh
# Run the flows of a repository: clone it once, deploy its flows, then wait for their schedules.
#
# REPOSITORY_URL and REPOSITORY_BRANCH name it. For a private one, GIT_TOKEN is given to git by a
# credential helper: it stands neither in the URL nor in `ps`.
set -eu
checkout=${WORK_FOLDER:-/work}/repository
# shellcheck disable=SC2016
git config --global credential.helper '!f() { echo "username=token"; echo "password=${GIT_TOKEN:-}"; }; f'
if [ ! -d "$checkout/.git" ]; then
    rm -rf "$checkout.part"
    git clone --quiet --branch "$REPOSITORY_BRANCH" "$REPOSITORY_URL" "$checkout.part"
    mv "$checkout.part" "$checkout"
fi
cd "$checkout"
# The worker writes dvc.lock; if that is not pushed yet, the checkout stays as it is.
git pull --quiet --ff-only || echo "worker.sh: the checkout is not updated; push or reset its changes" >&2
prefect work-pool inspect "$WORK_POOL" >/dev/null 2>&1 || prefect work-pool create "$WORK_POOL" --type process
prefect --no-prompt deploy --all
exec prefect worker start --pool "$WORK_POOL" --type process --with-healthcheck
