#!/bin/sh
# Make the namespace and what workflows are searched by. Safe to run again: what exists stays as it is.
# How long a closed workflow's history is kept is the operator's choice; the record is in the services.
set -eu
temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
  temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 30d
temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" \
  --name ProviderId --type Keyword \
  --name LocationId --type Keyword \
  --name Stage --type Keyword \
  --name Band --type Keyword
