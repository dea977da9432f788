#!/bin/sh
# Make the namespace and what workflows are searched by. Safe to run again: what exists stays as it is.
# How long a closed workflow's history is kept is the operator's choice; the record is in the services.
set -eu
temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
  temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 30d
# A namespace that was just made is known to all of the server some seconds later.
tries=0
until temporal operator search-attribute list --namespace "$TEMPORAL_NAMESPACE" >/dev/null; do
  tries=$((tries + 1))
  [ "$tries" -lt 30 ] || { echo "the namespace $TEMPORAL_NAMESPACE was made and is not known after a minute: run this again" >&2; exit 1; }
  sleep 2
done
temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" \
  --name ProviderId --type Keyword \
  --name LocationId --type Keyword \
  --name Stage --type Keyword \
  --name Band --type Keyword
